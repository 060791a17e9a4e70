//! counters/&lt;shard&gt;.json: what projecting a shard counted.

use serde::{Deserialize, Serialize};

use crate::digests::Digests;
use crate::error::Reasons;
use crate::losses::LossCounts;
use crate::sample::Point;

/// What projecting one shard counted; the content of counters/&lt;shard&gt;.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// The shard.
    pub shard: u32,
    /// Listed images.
    pub listed: u64,
    /// Rows of features and of components.
    pub features: u64,
    /// Unusable images by reason.
    pub reasons: Reasons,
    /// Usable images that lost something.
    pub losses: LossCounts,
    /// Features and components that are NaN or infinite.
    pub non_finite: u64,
    /// Numbers per row of components.
    pub components: u64,
    /// The mean of each component over the shard's rows.
    pub component_means: Vec<f64>,
    /// The sum of squared differences from that mean.
    pub component_scatter: Vec<f64>,
    /// Bytes written.
    pub bytes_written: u64,
    /// The shard's images in the report's scatter plot.
    pub points: Vec<Point>,
    /// The shard's files.
    pub files: Digests,
}
