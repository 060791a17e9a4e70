//! erasures/: what was asked to be erased, what was done for it, and the proof that it is done. No file holds a key of
//! an image, a label or a feature.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pomona_run::RunId;
use pomona_run::counted::counted;
use pomona_run::layout::{self, ERASURES};
use pomona_store::{Error as StoreError, Store, Version};
use serde::{Deserialize, Serialize};

use crate::digests;
use crate::error::{Error, if_readable, tell_of_damage};
use crate::json;
use crate::signature::PublicKey;

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
    /// How many of them no run listed then. They stay out of later runs all the same.
    pub unlisted: u64,
    /// Older runs that had any of them are to be made anew, and not deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rewrites_older: bool,
    /// Somebody is to sign the certificate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_to_be_signed: bool,
}

fn is_false(value: &bool) -> bool {
    !value
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
    /// Older runs that were made anew without the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Rewritten>,
    /// The files that were deleted, older versions of files among them.
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

/// An older run and what took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewritten {
    /// The run that had some of the images.
    pub was: RunId,
    /// The run without them.
    pub run: NewRun,
}

/// A file below an output, or an older version of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileVersion {
    /// The file (key at the output).
    pub file: String,
    /// The version by its name in the bucket, where it is not the one that a reader gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl From<&Version> for FileVersion {
    fn from(version: &Version) -> Self {
        Self { file: version.key.clone(), version: version.id.clone().filter(|_| !version.is_current()) }
    }
}

impl FileVersion {
    /// Whether it is what a reader of the file gets.
    pub fn is_current(&self) -> bool {
        self.version.is_none()
    }
}

impl fmt::Display for FileVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(formatter, "{} (version {version})", self.file),
            None => formatter.write_str(&self.file),
        }
    }
}

/// A file that held something of it, or was made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeletedFile {
    /// Which.
    #[serde(flatten)]
    pub file: FileVersion,
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
    /// How many of them are older versions of files, which a bucket keeps.
    pub older_versions: u64,
}

/// What attempts at an erasure have done, so that the certificate says it whichever of them came to an end: the content
/// of journal.json. A deletion is written down before it is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The run that takes the newest one's place.
    pub run: Option<NewRun>,
    /// The error's name, where nothing can be fitted to the images that stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_run_because: Option<String>,
    /// Older runs that were made anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Rewritten>,
    /// The files.
    pub deleted: BTreeSet<DeletedFile>,
}

/// What an attempt at an erasure could not delete: the content of left.json. There is no certificate then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftFiles {
    /// When that was seen.
    pub seen: DateTime<Utc>,
    /// The files.
    pub left: Vec<LeftFile>,
}

/// A file that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftFile {
    /// Which.
    #[serde(flatten)]
    pub file: FileVersion,
    /// Why it should not be.
    #[serde(flatten)]
    pub why: WhyLeft,
}

/// Why a file that is left should not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum WhyLeft {
    /// It names an erased image.
    NamesAnErasedImage,
    /// It is not what its name says, so that nothing is known of it.
    Unreadable,
    /// It is of a run that has no plan any more.
    OfNoRun,
    /// It could not be deleted.
    Refused {
        /// What the store said.
        reason: String,
    },
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

impl fmt::Display for WhyLeft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamesAnErasedImage => formatter.write_str("it names an erased image"),
            Self::Unreadable => formatter.write_str("it cannot be read"),
            Self::OfNoRun => formatter.write_str("it is of a run that has no plan any more"),
            Self::Refused { reason } => write!(formatter, "it could not be deleted: {reason}"),
        }
    }
}

impl Journal {
    /// What attempts at the erasure `id` have done so far.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(output: &dyn Store, id: &RunId) -> Result<Self, Error> {
        Ok(Self::read_with_etag(output, id).await?.0)
    }

    async fn read_with_etag(output: &dyn Store, id: &RunId) -> Result<(Self, Option<String>), Error> {
        let key = layout::erasure_journal(id);
        let stored = match output.get(&key).await {
            Err(StoreError::NotFound { .. }) => return Ok((Self::default(), None)),
            stored => stored?,
        };
        let journal = match json::unseal(&key, &stored.bytes) {
            Err(error @ Error::Damaged { .. }) => {
                tell_of_damage(&error, "the certificate does not name what was deleted before");
                Self::default()
            }
            read => read?,
        };
        Ok((journal, Some(stored.etag())))
    }

    /// Writes down what an attempt at the erasure `id` has done beside what others have, over nothing that somebody else
    /// has written meanwhile; it alone says what became of the newest run. Gives all of it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn add(self, output: &dyn Store, id: &RunId) -> Result<Self, Error> {
        let key = layout::erasure_journal(id);
        loop {
            let (others, etag) = Self::read_with_etag(output, id).await?;
            let Self { run, no_run_because, .. } = self.clone();
            let all = Self { run, no_run_because, ..self.clone().beside(others) };
            if pomona_store::put_over(output, etag.as_deref(), &key, json::seal(&key, &all)?).await? {
                return Ok(all);
            }
        }
    }

    /// This beside what others have done.
    pub fn beside(mut self, others: Self) -> Self {
        self.run = self.run.or(others.run);
        self.no_run_because = self.no_run_because.or(others.no_run_because);
        self.deleted.extend(others.deleted);
        let added = others.rewritten.into_iter().filter(|rewritten| !self.rewritten.contains(rewritten));
        let added: Vec<Rewritten> = added.collect();
        self.rewritten.extend(added);
        self
    }
}

impl LeftFiles {
    /// Writes down what the erasure `id` could not delete.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, output: &dyn Store, id: &RunId) -> Result<(), Error> {
        let key = layout::erasure_left(id);
        Ok(output.put(&key, json::seal(&key, self)?).await?)
    }
}

impl Certificate {
    /// That of the erasure `id`.
    ///
    /// # Errors
    /// [`Error::Damaged`], and those of the store.
    pub async fn read(output: &dyn Store, id: &RunId) -> Result<Self, Error> {
        let key = layout::erasure_certificate(id);
        let bytes = digests::get(output, &key).await?;
        json::unseal_of(&key, &bytes, id, |certificate: &Self| &certificate.request.id)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// None that a certificate has.
    pub fn encode(&self) -> Result<Bytes, Error> {
        json::seal(&layout::erasure_certificate(&self.request.id), self)
    }
}

/// What a key says of who stands for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Whoever has the key.
    Good,
    /// Nobody does.
    Missing,
    /// Somebody else does, or for another text.
    Wrong,
}

impl Signature {
    /// That of the certificate of the erasure `id`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(output: &dyn Store, id: &RunId, key: &PublicKey) -> Result<Self, Error> {
        let certificate = output.get(&layout::erasure_certificate(id)).await?.bytes;
        match output.get(&layout::erasure_signature(id)).await {
            Ok(signature) if key.verifies(&certificate, &signature.bytes) => Ok(Self::Good),
            Ok(_) => Ok(Self::Wrong),
            Err(StoreError::NotFound { .. }) => Ok(Self::Missing),
            Err(error) => Err(error.into()),
        }
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
    /// Reads those that are not done, and no other.
    ///
    /// # Errors
    /// As [`Erasures::read`].
    pub async fn pending(output: &dyn Store) -> Result<Vec<Request>, Error> {
        Here::list(output).await?.pending(output).await
    }

    /// Which are not done, by the names of the files at an output alone.
    pub fn not_done<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<RunId> {
        Here::of(keys.map(str::to_owned)).not_done().cloned().collect()
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file is not what was written, and those of the store.
    pub async fn read(output: &dyn Store) -> Result<Self, Error> {
        let here = Here::list(output).await?;
        let mut done = Vec::new();
        for id in here.done() {
            done.push(Certificate::read(output, id).await?);
        }
        Ok(Self { done, pending: here.pending(output).await? })
    }

    /// Whether any has been done since `moment`. A certificate that cannot be read says nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn is_any_done_since(output: &dyn Store, moment: DateTime<Utc>) -> Result<bool, Error> {
        for id in Here::list(output).await?.done() {
            let certificate = if_readable(Certificate::read(output, id).await)?;
            if certificate.is_some_and(|certificate| certificate.finished > moment) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes what those that are done have left of their work.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_work_of_done(output: &dyn Store) -> Result<(), Error> {
        let here = Here::list(output).await?;
        for id in here.done() {
            let work = layout::erasure_work(id);
            let handed_over = here.keys.iter().filter(|key| key.starts_with(&work));
            // These last: a call that reads the journal, and then finds what was handed over, has read all of it.
            let [journal, left] = [layout::erasure_journal(id), layout::erasure_left(id)];
            let last = [&journal, &left].into_iter().filter(|key| here.keys.contains(*key));
            for key in handed_over.chain(last) {
                output.delete(key).await?;
            }
        }
        Ok(())
    }

    /// What calls have handed to each other, of any erasure.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn handed_over(output: &dyn Store) -> Result<Vec<String>, Error> {
        let here = Here::list(output).await?;
        Ok(here.keys.into_iter().filter(|key| is_handed_over(key)).collect())
    }
}

/// What a user should know of so many erasures that are not done at `location`, where there are any.
pub fn notice_of_not_done(erasures: usize, location: &str) -> Option<String> {
    let not_done = counted(erasures as u64, "erasure is not done", "erasures are not done")?;
    Some(format!("{not_done}, and what was to be erased may still be there: `pomona erase {location}` goes on"))
}

/// Whether a call hands this file to another that erases with it.
pub fn is_handed_over(key: &str) -> bool {
    layout::erasure_of(key).is_some_and(|id| key.starts_with(&layout::erasure_work(&id)))
}

/// What there is of erasures.
struct Here {
    keys: BTreeSet<String>,
    ids: BTreeSet<RunId>,
}

impl Here {
    async fn list(output: &dyn Store) -> Result<Self, Error> {
        Ok(Self::of(output.sizes(ERASURES).await?.into_iter().map(|(key, _)| key)))
    }

    fn of(keys: impl Iterator<Item = String>) -> Self {
        let keys: BTreeSet<String> = keys.collect();
        let ids = keys.iter().filter_map(|key| layout::erasure_of(key)).collect();
        Self { keys, ids }
    }

    fn is_done(&self, id: &RunId) -> bool {
        self.keys.contains(&layout::erasure_certificate(id))
    }

    fn done(&self) -> impl Iterator<Item = &RunId> {
        self.ids.iter().filter(|id| self.is_done(id))
    }

    fn not_done(&self) -> impl Iterator<Item = &RunId> {
        self.ids.iter().filter(|id| !self.is_done(id) && self.keys.contains(&layout::erasure_request(id)))
    }

    async fn pending(&self, output: &dyn Store) -> Result<Vec<Request>, Error> {
        let mut pending = Vec::new();
        for id in self.not_done() {
            let key = layout::erasure_request(id);
            let bytes = digests::get(output, &key).await?;
            pending.push(json::unseal_of(&key, &bytes, id, |request: &Request| &request.id)?);
        }
        Ok(pending)
    }
}
