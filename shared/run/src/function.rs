//! The Lambdas that a run calls.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Lambda of the stack that a run calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Lists and names the work; counts missing parts.
    Plan,
    /// Makes one part.
    ListBatch,
    /// Adds up one group of shards in one pass.
    Sweep,
    /// Merges moments or sums, and fits.
    Reduce,
    /// Writes one shard of the final tables.
    ProjectMap,
    /// Checks and reports.
    Report,
}

impl Function {
    /// All, in the order of their work.
    pub const ALL: [Self; 6] = [Self::Plan, Self::ListBatch, Self::Sweep, Self::Reduce, Self::ProjectMap, Self::Report];

    /// The name as the stack has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::ListBatch => "list-batch",
            Self::Sweep => "sweep",
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
