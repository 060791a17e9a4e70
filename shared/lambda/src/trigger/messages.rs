//! Messages of the queue, as Lambda hands them over.

use pomona_run::ErrorName;
use serde::Deserialize;

use super::follow_up;
use super::runs::Runs;
use crate::error::Error;

/// A batch of messages.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    #[serde(rename = "Records")]
    pub(super) messages: Vec<Message>,
}

/// One message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    body: String,
}

/// An event of Step Functions about an execution that has ended (Step Functions guide, event examples). Whether it says
/// by which error is documented for some of them only.
#[derive(Debug, Deserialize)]
struct Ended {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    error: Option<String>,
}

impl Batch {
    /// Whether the message has arrived that was left for a run to follow.
    pub(super) fn brings_follow_up(&self) -> bool {
        self.messages.iter().any(|message| follow_up::is_one(&message.body))
    }

    /// Whether any message asks for a run. All do, but those about runs that failed for another reason than that they
    /// found the output in use: such a run would only fail again, and again.
    pub(super) async fn asks_for_run(&self, runs: &dyn Runs) -> Result<bool, Error> {
        for message in &self.messages {
            let asks = match serde_json::from_str::<Ended>(&message.body) {
                Err(_) => true,
                Ok(Ended { detail: Detail { error: Some(error), .. } }) => error == ErrorName::Busy.as_str(),
                Ok(Ended { detail }) => {
                    runs.error_of(&detail.execution_arn).await?.as_deref() == Some(ErrorName::Busy.as_str())
                }
            };
            if asks {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
