//! lock.json: who is running, since when, until when. Nothing vouches for it, because it says only what its time allows.

use chrono::{DateTime, TimeDelta, Utc};
use pomona_run::layout::LOCK;
use pomona_run::{RunId, clock};
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Longer than any lock lasts: an execution's, which is the longest, is a day.
const IMPOSSIBLE_LEASE: TimeDelta = TimeDelta::days(2);

/// The content of lock.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The run that holds the output.
    pub run_id: RunId,
    /// Who runs it: a process on a machine, or an execution.
    pub holder: String,
    /// When it took the lock.
    pub since: DateTime<Utc>,
    /// When the lock is void.
    pub until: DateTime<Utc>,
}

impl Lock {
    /// Reads who holds the output; nobody, where the file says nothing that could be read.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(output: &dyn Store) -> Result<Option<Self>, Error> {
        match output.get(LOCK).await {
            Ok(stored) => Ok(Self::decode(&stored.bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The lock that `bytes` are, if they are one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether its time allows that it is held. One that would last longer than any run asks for is void: the clock of
    /// whoever took it ran ahead.
    pub fn is_held(&self) -> bool {
        let now = clock::now();
        now < self.until && self.until < now + IMPOSSIBLE_LEASE
    }
}
