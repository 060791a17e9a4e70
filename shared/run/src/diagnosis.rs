//! What the Lambda `plan` says when `pomona doctor` asks it: its own rights and its own network are what a run has.

use serde::{Deserialize, Serialize};

/// The answer to the task `diagnose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The version of Pomona that was deployed.
    pub version: String,
    /// What the function was built for, as Rust calls it: `aarch64` or `x86_64`.
    pub architecture: String,
    /// The stack's own input, and the first image in it.
    pub input: Reach,
    /// The stack's own output, and a small file that was written there, read and deleted.
    pub output: Reach,
    /// Step Functions, which says whether the holder of a lock has ended.
    pub states: Reach,
}

/// How far the function got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// To the end.
    Reached,
    /// There is nothing there yet.
    Empty,
    /// It lacks a right.
    Denied,
    /// It lacks the right to use a KMS key.
    NeedsKey,
    /// It lies in an archive.
    Archived,
    /// Nobody answered.
    Unreachable,
}
