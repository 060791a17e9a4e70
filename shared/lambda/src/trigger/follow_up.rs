//! The one message that arrives later.
//!
//! A file at the output says that a message is under way, so that of many batches one leaves it for all. It is written
//! once the message was sent: of batches that come at once several may send, but nobody relies on a message that is not
//! there. Whoever is handed the message takes the file's word back before anything else: those who relied upon it until
//! then came before whatever that batch starts, and nobody does afterwards. So clocks need not agree, and it is only for
//! a message that was lost that the word ends by itself.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pomona_run::layout::FOLLOW_UP;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::error::Error;

/// How much later the message arrives: the most that SQS can (API reference, SendMessage, `DelaySeconds`).
pub(super) const DELAY: Duration = Duration::from_secs(900);

/// What the message says.
pub(super) const BODY: &str = "a run has to follow";

/// What is over for so long is over by every clock.
const LONG_AGO: Duration = Duration::from_secs(86_400);

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
pub(super) async fn leave(output: &dyn Store, queue: &dyn Queue, now: DateTime<Utc>) -> Result<Outcome, Error> {
    let found = match output.get(FOLLOW_UP).await {
        Err(StoreError::NotFound { .. }) => None,
        found => Some(found?),
    };
    if found.as_ref().and_then(|found| read(&found.bytes)).is_some_and(|theirs| now < theirs.until) {
        return Ok(Outcome::PostponedBefore);
    }
    queue.send(BODY, DELAY).await?;
    let mine = encode(&FollowUp { until: now + DELAY })?;
    let written = match found {
        None => output.create(FOLLOW_UP, mine).await,
        Some(found) => output.replace(FOLLOW_UP, mine, &found.etag()).await,
    };
    match written {
        // Somebody sent one, too, or was handed one: their word holds.
        Err(StoreError::AlreadyExists { .. } | StoreError::Changed { .. }) => {}
        written => written?,
    }
    Ok(Outcome::Postponed)
}

/// Whether this is the body of such a message.
pub(super) fn is_one(body: &str) -> bool {
    body == BODY
}

/// Takes back what the file says: the message has arrived.
pub(super) async fn take_back(output: &dyn Store, now: DateTime<Utc>) -> Result<(), Error> {
    Ok(output.put(FOLLOW_UP, encode(&FollowUp { until: now - LONG_AGO })?).await?)
}

fn encode(follow_up: &FollowUp) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec(follow_up).map_err(|error| pomona_formats::Error::Internal(error.to_string()))?;
    Ok(bytes.into())
}

/// Nothing where it is something else, which nobody can rely on.
fn read(bytes: &[u8]) -> Option<FollowUp> {
    serde_json::from_slice(bytes).ok()
}
