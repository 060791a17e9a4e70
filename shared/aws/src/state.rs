//! Whether an execution is going, or how it ended.

use aws_sdk_sfn::types::ExecutionStatus;
use serde::Serialize;

/// Whether an execution is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// It is.
    Running,
    /// It came to its end.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It took longer than the state machine allows.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

impl State {
    /// The state as people say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Aborted => "stopped by somebody",
        }
    }
}

impl From<&ExecutionStatus> for State {
    fn from(status: &ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Succeeded => Self::Succeeded,
            ExecutionStatus::Failed => Self::Failed,
            ExecutionStatus::TimedOut => Self::TimedOut,
            ExecutionStatus::Aborted => Self::Aborted,
            // Whatever else there is has not ended.
            _ => Self::Running,
        }
    }
}
