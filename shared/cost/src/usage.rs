//! What a run uses of AWS.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workload::Architecture;

/// Bytes of a GB, as AWS bills memory and storage.
pub const GB: f64 = (1_u64 << 30) as f64;

/// A Lambda of the stack that a run calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Lists and names the work; counts missing parts.
    Plan,
    /// Makes one part.
    ListBatch,
    /// Merges moments and fits the PCA.
    Reduce,
    /// Writes one shard of the final tables.
    ProjectMap,
    /// Checks and reports.
    Report,
}

impl Function {
    /// All, in the order of their work.
    pub const ALL: [Self; 5] = [Self::Plan, Self::ListBatch, Self::Reduce, Self::ProjectMap, Self::Report];

    /// The name as the stack has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::ListBatch => "list-batch",
            Self::Reduce => "reduce",
            Self::ProjectMap => "project-map",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    /// What stays in S3.
    pub stored: Stored,
}

impl Requests {
    /// The sums of both.
    pub fn plus(self, other: Self) -> Self {
        Self { gets: self.gets + other.gets, puts: self.puts + other.puts, lists: self.lists + other.lists }
    }
}
