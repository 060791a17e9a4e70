//! What the doctor says of a thing.

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// What was found about one thing that a run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The thing.
    pub subject: &'static str,
    /// Whether it will do.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it, where that is not said already.
    pub remedy: Option<String>,
}

/// Whether a thing will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It will.
    Good,
    /// A run works, but not well.
    Poor,
    /// It has to be mended before a run.
    Bad,
    /// It could not be found out.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Poor => "poor",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        })
    }
}

impl Finding {
    pub(crate) fn good(subject: &'static str, found: String) -> Self {
        Self { subject, verdict: Verdict::Good, found, remedy: None }
    }

    pub(crate) fn poor(subject: &'static str, found: String, remedy: String) -> Self {
        Self { subject, verdict: Verdict::Poor, found, remedy: Some(remedy) }
    }

    /// What has to be mended before a run.
    pub(crate) fn unfit(subject: &'static str, found: String, remedy: String) -> Self {
        Self { subject, verdict: Verdict::Bad, found, remedy: Some(remedy) }
    }

    /// The message of an error says how to mend it.
    pub(crate) fn bad(subject: &'static str, error: &Error) -> Self {
        Self { subject, verdict: Verdict::Bad, found: error.to_string(), remedy: None }
    }

    /// Something that a run does not need the user to be allowed to know.
    pub(crate) fn unknown(subject: &'static str, error: &Error) -> Self {
        Self { subject, verdict: Verdict::Unknown, found: error.to_string(), remedy: None }
    }
}
