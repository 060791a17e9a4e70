//! The one message that arrives later.
//!
//! A file at the output says until when a message is sure to be under way, and is only ever created where there is none
//! or replaced while unchanged: of many batches at once, one gets to write it and sends the message. It writes before
//! it sends, so that there are no two; should it then fail to send, its batch comes back and sends without asking,
//! whatever else it does, so that there is no none.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use chrono::{DateTime, Utc};
use pomona_run::layout::FOLLOW_UP;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::error::Error;

/// How much later the message arrives: the most that SQS can (API reference, SendMessage, `DelaySeconds`).
pub(super) const DELAY: Duration = Duration::from_secs(900);

/// So long before it arrives nobody relies on the message any more: whoever does must be sure that it is not being
/// worked on already, by a machine whose clock differs a little.
const MARGIN: Duration = Duration::from_secs(5);

/// The queue that feeds this function.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends a message that arrives after `delay`.
    async fn send(&self, body: &str, delay: Duration) -> Result<(), Error>;
}

/// A queue of SQS.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue with this URL.
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, body: &str, delay: Duration) -> Result<(), Error> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let message = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        message.send().await.map_err(|error| Error::call("sqs:SendMessage", error))?;
        Ok(())
    }
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FollowUp {
    /// Until then nobody else needs to leave a message.
    until: DateTime<Utc>,
}

/// Leaves a message, unless somebody else has and may be relied upon.
pub(super) async fn leave(
    output: &dyn Store,
    queue: &dyn Queue,
    now: DateTime<Utc>,
    is_repeated: bool,
) -> Result<Outcome, Error> {
    if !is_repeated && !is_mine_to_send(output, now).await? {
        return Ok(Outcome::PostponedBefore);
    }
    queue.send("a run has to follow", DELAY).await?;
    Ok(Outcome::Postponed)
}

async fn is_mine_to_send(output: &dyn Store, now: DateTime<Utc>) -> Result<bool, Error> {
    let mine = FollowUp { until: now + DELAY - MARGIN };
    let bytes = serde_json::to_vec(&mine).map_err(|error| pomona_formats::Error::Internal(error.to_string()))?;
    let written = match output.get(FOLLOW_UP).await {
        Err(StoreError::NotFound { .. }) => output.create(FOLLOW_UP, bytes.into()).await,
        Err(error) => return Err(error.into()),
        Ok(stored) if read(&stored.bytes).is_some_and(|theirs| now < theirs.until) => return Ok(false),
        Ok(stored) => output.replace(FOLLOW_UP, bytes.into(), &stored.etag()).await,
    };
    match written {
        // Somebody was quicker; or this very write was tried again, because the answer to it was lost.
        Err(StoreError::AlreadyExists { .. } | StoreError::Changed { .. }) => {
            Ok(read(&output.get(FOLLOW_UP).await?.bytes) == Some(mine))
        }
        written => Ok(written.map(|()| true)?),
    }
}

/// Nothing where it is something else, which nobody can rely on.
fn read(bytes: &[u8]) -> Option<FollowUp> {
    serde_json::from_slice(bytes).ok()
}
