//! erasures/: what was asked to be erased, and the proof that it was. Neither file holds a key, a label or a feature.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use pomona_run::RunId;
use pomona_run::layout::{self, ERASURES};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::digests;
use crate::error::Error;
use crate::json;

/// What was asked: the content of request.json, which is written before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its name.
    pub id: RunId,
    /// When.
    pub asked: DateTime<Utc>,
    /// The version of Pomona that was asked.
    pub pomona_version: String,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The salt of the digests.
    pub salt: String,
    /// The images, each by the digest of its key.
    pub digests: BTreeSet<String>,
    /// How many of them no run had listed. They stay out of later runs all the same.
    pub unlisted: u64,
}

/// What was done: the content of certificate.json, which is written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What was asked.
    pub request: Request,
    /// When all of it was done.
    pub finished: DateTime<Utc>,
    /// The version of Pomona that did it.
    pub pomona_version: String,
    /// The run that took the newest one's place; none where that had held no such image, or nothing else.
    pub run: Option<NewRun>,
    /// Why there is no run any more over the images that stay, where nothing can be fitted to them: the error's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_run_because: Option<String>,
    /// The files that were deleted. One that a killed attempt had deleted before is not among them.
    pub deleted: Vec<DeletedFile>,
    /// What was read in the end, and holds nothing of it.
    pub examined: Examined,
    /// Files below the output that no run writes: nobody looked into these.
    pub not_examined: u64,
    /// What lies out of reach, and who must act.
    pub beyond: Vec<String>,
}

/// A run without the images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its name.
    pub run_id: RunId,
    /// The SHA-256 of its plan.json, in which stand the digests of what it was made of.
    pub plan_sha256: String,
}

/// A file that held something of it, or was made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeletedFile {
    /// The file (key at the output).
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it was.
    pub sha256: String,
}

/// Files that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// How many.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
}

impl Request {
    /// Writes it down.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, output: &dyn Store) -> Result<(), Error> {
        let key = layout::erasure_request(&self.id);
        Ok(output.put(&key, json::seal(&key, self)?).await?)
    }
}

impl Certificate {
    /// Writes it down.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, output: &dyn Store) -> Result<(), Error> {
        let key = layout::erasure_certificate(&self.request.id);
        Ok(output.put(&key, json::seal(&key, self)?).await?)
    }
}

/// The erasures at an output, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasures {
    /// Those that are done.
    pub done: Vec<Certificate>,
    /// Those that are not.
    pub pending: Vec<Request>,
}

impl Erasures {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file is not what was written, and those of the store.
    pub async fn read(output: &dyn Store) -> Result<Self, Error> {
        let keys: BTreeSet<String> = output.sizes(ERASURES).await?.into_iter().map(|(key, _)| key).collect();
        let mut erasures = Self::default();
        for id in keys.iter().filter_map(|key| layout::erasure_of(key)).collect::<BTreeSet<RunId>>() {
            let certificate = layout::erasure_certificate(&id);
            if keys.contains(&certificate) {
                erasures.done.push(digests::read_sealed(output, &certificate).await?);
            } else if keys.contains(&layout::erasure_request(&id)) {
                erasures.pending.push(digests::read_sealed(output, &layout::erasure_request(&id)).await?);
            }
        }
        Ok(erasures)
    }
}
