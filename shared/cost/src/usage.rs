//! What a run uses of AWS.

use pomona_run::function::Function;
use serde::{Deserialize, Serialize};

use crate::workload::Architecture;

/// Bytes of a GB, as AWS bills memory and storage.
pub const GB: f64 = (1_u64 << 30) as f64;

/// What one function used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionUsage {
    /// The function.
    pub function: Function,
    /// Invocations.
    pub requests: u64,
    /// Memory times the time in which it was held.
    pub gb_seconds: f64,
}

/// Requests to S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// GET and HEAD.
    pub gets: u64,
    /// PUT, COPY and the requests of an upload in parts.
    pub puts: u64,
    /// Pages of listings.
    pub lists: u64,
}

/// What a run leaves in S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Bytes in parts/ and nodes/.
    pub parts: u64,
    /// Bytes in the run's folder.
    pub run: u64,
}

/// What a run uses of AWS, to be multiplied with prices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// What the Lambdas run on.
    pub architecture: Architecture,
    /// Each function.
    pub functions: Vec<FunctionUsage>,
    /// State transitions of Step Functions Standard.
    pub transitions: u64,
    /// Executions of Step Functions Express.
    pub express_requests: u64,
    /// Their memory times their time, each rounded up as it is billed.
    pub express_gb_seconds: f64,
    /// Requests to S3.
    pub requests: Requests,
    /// Calls of KMS, with a bucket key.
    pub kms_calls: u64,
    /// Calls of KMS to read images whose bucket has a key and no bucket key.
    #[serde(default)]
    pub image_decrypts: u64,
    /// Metrics of one's own, times the hours in which they were written.
    #[serde(default)]
    pub metric_hours: u64,
    /// Bytes of logs.
    #[serde(default)]
    pub log_bytes: u64,
    /// Events of images that were uploaded, and requests to the queue that tells of them.
    #[serde(default)]
    pub uploads: Option<Uploads>,
    /// What stays in S3.
    pub stored: Stored,
}

/// What uploads take that start runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploads {
    /// Events that S3 sends.
    pub events: u64,
    /// Requests to the queue for them.
    pub queue_requests: u64,
    /// Requests in a month that wait for messages.
    pub polls: u64,
}

impl Requests {
    /// The sums of both.
    pub fn plus(self, other: Self) -> Self {
        Self { gets: self.gets + other.gets, puts: self.puts + other.puts, lists: self.lists + other.lists }
    }
}
