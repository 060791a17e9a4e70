//! counters/&lt;shard&gt;.json: what projecting a shard counted.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::classification::Tally;
use crate::digests::Digests;
use crate::listing::Row;
use crate::losses::LossCounts;
use crate::rejects::Reasons;

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
    /// Rows that the fits are of: all, or those of training images.
    pub fitted: u64,
    /// The mean of each component over these rows.
    pub component_means: Vec<f64>,
    /// The sum of squared differences from that mean.
    pub component_scatter: Vec<f64>,
    /// What classifying the shard's images came to, where a classifier is fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// Bytes written.
    pub bytes_written: u64,
    /// The shard's images in the report's scatter plot.
    pub points: Vec<Point>,
    /// The shard's files.
    pub files: Digests,
}

/// An image in the scatter plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Where the image is, relative to the input location.
    pub path: String,
    /// Its label; empty in runs before this was written down.
    #[serde(default)]
    pub label: String,
    /// The number of its label.
    pub class_id: i32,
    /// The first component.
    pub x: f32,
    /// The second component; 0 where there is only one.
    pub y: f32,
}

impl Point {
    /// The first two of an image's components, unless they are no numbers (a check of the run counts those).
    pub fn new(row: &Row, components: ArrayView1<'_, f32>) -> Option<Self> {
        let component = |index| components.get(index).copied().unwrap_or(0.0);
        let (x, y): (f32, f32) = (component(0), component(1));
        let point =
            || Self { path: row.item.id.clone(), label: row.item.label.to_string(), class_id: row.class_id, x, y };
        (x.is_finite() && y.is_finite()).then(point)
    }
}
