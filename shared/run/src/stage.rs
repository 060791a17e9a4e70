//! The stages by name, and how long each took.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// List, cut, name.
    Plan,
    /// Images to parts.
    Extract,
    /// Moments to nodes.
    Combine,
    /// Moments to a model.
    Reduce,
    /// Parts to final tables.
    Project,
    /// Checks and reports.
    Report,
}

impl Stage {
    /// The name as files and messages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Extract => "extract",
            Self::Combine => "combine",
            Self::Reduce => "reduce",
            Self::Project => "project",
            Self::Report => "report",
        }
    }

    /// What the stage works on one by one, as a word for `count` of them; nothing where it works on the whole run at once.
    pub fn unit(self, count: u64) -> Option<&'static str> {
        let (one, many) = match self {
            Self::Plan | Self::Reduce | Self::Report => return None,
            Self::Extract => ("image", "images"),
            Self::Combine => ("group", "groups"),
            Self::Project => ("shard", "shards"),
        };
        Some(if count == 1 { one } else { many })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a stage ran, and how many items (images, groups or shards) it worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage.
    pub stage: Stage,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// Items.
    pub items: u64,
}

impl Timing {
    /// Seconds from start to end.
    pub fn seconds(&self) -> f64 {
        (self.finished - self.started).as_seconds_f64()
    }
}
