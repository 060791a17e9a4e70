//! What the calls of one attempt at an erasure hand to each other, where no other attempt looks: a call that was given up
//! may go on when others have long begun.

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::erasure::{Erasures, LeftFile, LeftFiles, Request};
use pomona_formats::{Error as FileError, digests, json};
use pomona_run::{RunId, clock, layout, names, pace};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::lock;

/// Why everything is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Round {
    /// To find what must go.
    Before,
    /// To see that nothing is left.
    After,
}

impl Round {
    fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Calls that erase together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The erasure, in whose journal is written down what is done.
    pub erasure: RunId,
    /// The name by which they hold the output.
    pub lock: RunId,
}

impl Attempt {
    /// That at all of these, which is called by the first of them.
    pub(super) fn at(requests: &[Request], lock: &RunId) -> Result<Self, Error> {
        let first = requests.iter().map(|request| &request.id).min();
        let erasure = first.ok_or_else(|| Error::internal("an erasure of nothing"))?.clone();
        Ok(Self { erasure, lock: lock.clone() })
    }

    /// The folder of what is handed over.
    pub fn work(&self) -> String {
        layout::erasure_attempt(&self.erasure, &self.lock)
    }

    /// The groups of files that are looked through in a round.
    pub fn groups(&self, round: Round) -> String {
        format!("{}{}.json", self.work(), round.as_str())
    }

    /// What is known of a round when it is dealt.
    pub(super) fn told(&self, round: Round) -> String {
        format!("{}{}/told.json", self.work(), round.as_str())
    }

    /// What is found in a group of this number. It is named by its files, too: a call may list everything twice.
    pub(super) fn found(&self, round: Round, number: u32, files: &impl Serialize) -> Result<String, FileError> {
        let files = digest(&json::encode("a group", files)?);
        Ok(format!("{}{}/{number:05}-{files}.json", self.work(), round.as_str()))
    }

    /// Writes down what a call could not delete.
    pub(super) async fn hand_over_refused(&self, output: &dyn Store, refused: &[LeftFile]) -> Result<(), FileError> {
        if refused.is_empty() {
            return Ok(());
        }
        let digest = digest(&json::encode("what is left", &refused)?);
        let key = format!("{}{digest}.json", self.refused());
        let refused = LeftFiles { seen: clock::now(), left: refused.to_vec() };
        Ok(output.put(&key, json::seal(&key, &refused)?).await?)
    }

    /// What calls could not delete so far.
    pub(super) async fn read_refused(&self, output: &dyn Store) -> Result<Vec<LeftFile>, FileError> {
        let lists = output.list(&self.refused(), &|_| true).await?;
        let read = |key: String| async move {
            Ok::<_, FileError>(digests::read_sealed::<LeftFiles>(output, &key).await?.left)
        };
        let lists = stream::iter(lists.into_iter().map(|list| list.key)).map(read).buffered(pace::REQUESTS);
        let mut refused = lists.try_concat().await?;
        refused.sort();
        refused.dedup();
        Ok(refused)
    }

    fn refused(&self) -> String {
        format!("{}refused/", self.work())
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut digest = names::digest(bytes);
    digest.truncate(16);
    digest
}

/// Deletes what any attempt's calls have handed to each other, for whoever holds the output by `lock`.
///
/// # Errors
/// [`Error::LockLost`], and those of the store.
pub(super) async fn clear(output: &dyn Store, lock: &RunId) -> Result<(), Error> {
    let handed_over = Erasures::handed_over(output).await?;
    if !handed_over.is_empty() {
        lock::refuse_lost(output, lock).await?;
    }
    delete(output, handed_over).await
}

/// Deletes what was handed over by this lock: as soon as it is given back others may write, and nobody goes on with what
/// was seen by it.
///
/// # Errors
/// Those of the store.
pub async fn give_up(output: &dyn Store, lock: &RunId) -> Result<(), Error> {
    let mut handed_over = Erasures::handed_over(output).await?;
    handed_over.retain(|key| layout::is_of_erasure_attempt(key, lock));
    delete(output, handed_over).await
}

async fn delete(output: &dyn Store, keys: Vec<String>) -> Result<(), Error> {
    for key in keys {
        output.delete(&key).await?;
    }
    Ok(())
}
