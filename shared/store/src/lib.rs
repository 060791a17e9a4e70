//! Where Pomona keeps things: one [`Store`] trait over a local folder and S3.
//!
//! A store is a flat map from keys to bytes below one *location*: `s3://bucket/prefix` ([`S3Store`]) or a folder
//! ([`LocalStore`]); nearly everything above this crate sees only `dyn Store`.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let location = folder.path().join("out");
//! use pomona_store::{LocalStore, Store};
//!
//! let store = LocalStore::create(&location)?;
//! store.put("runs/1/report.txt", "done".into()).await?;
//! assert_eq!(store.get("runs/1/report.txt").await?.bytes, "done");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What every store promises
//! - An object is replaced as a whole: a reader sees the old bytes or the new ones, never a mixture and never a part.
//! - A write that returned is seen by every later read and listing.
//! - [`Store::create`] and [`Store::replace`] are atomic against each other and against every other write, in this
//!   process and in others: of several that compete, one wins.
//! - Listings are sorted by the keys' UTF-8 bytes.
//! - An object's `etag` changes when its bytes do. On S3 it is S3's own: a token, not a checksum. In a folder it is the
//!   SHA-256 of the content in hexadecimal.
//!
//! The suite in `testing::conformance` (feature `testing`) holds both stores to this.
//!
//! # Where they differ
//! A folder cannot hold both `a` and `a/b`, nor names longer than its file system allows; these keys are
//! [`Error::Invalid`] there. A bucket can hold keys that no store writes (`a//b`, `a/`): S3 lists and reads them.

mod error;
mod key;
mod local;
mod s3;
#[cfg(feature = "testing")]
pub mod testing;
mod version;

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

pub use error::{CREDENTIALS_ADVICE, Error};
pub use local::{FolderLock, LocalStore};
pub use s3::{S3Store, comes_of_credentials, reason_in_one_line, sdk_config};
pub use version::{Version, VersionKind};

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The name below the store's location, with `/` between its parts.
    pub key: String,
    /// The content's length in bytes.
    pub size: u64,
    /// Changes when the content does. `None` where the object is there but could not be read.
    pub etag: Option<String>,
}

/// An object's content.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The content.
    pub bytes: Bytes,
    /// `None` where the content alone determines it.
    etag: Option<String>,
}

impl Stored {
    /// Content whose etag it alone determines, as in a folder.
    pub fn of(bytes: Bytes) -> Self {
        Self { bytes, etag: None }
    }

    /// The etag that belongs to just this content. In a folder it is computed only now, because few who read an object
    /// need it.
    pub fn etag(&self) -> String {
        self.etag.clone().unwrap_or_else(|| local::etag_of(&self.bytes))
    }
}

/// What a listing comes across, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A file, in a bucket any object whose key does not end with a slash.
    File(&'a str),
    /// A folder; its key ends with a slash. In a bucket the object of that name that consoles make for an empty folder.
    Folder(&'a str),
    /// A link that leads nowhere or may not be followed, to a file or to a folder; or a folder whose path is too long
    /// to be opened.
    Unreachable(&'a str),
    /// A pipe, a socket or a device.
    Special(&'a str),
    /// A link to a folder that is not followed, because that folder is listed already; its key ends with a slash.
    Listed(&'a str),
}

impl<'a> Entry<'a> {
    /// What an object called `key` is where keys are all that there is.
    pub(crate) fn of_object(key: &'a str) -> Self {
        if key.ends_with('/') { Self::Folder(key) } else { Self::File(key) }
    }

    /// The entry's key.
    pub fn key(self) -> &'a str {
        match self {
            Self::File(key) | Self::Folder(key) | Self::Unreachable(key) | Self::Special(key) | Self::Listed(key) => {
                key
            }
        }
    }
}

/// Is shown all that a listing comes across, and says what becomes an object of it. Only files, what is unreachable
/// and, in a bucket, folders can be objects.
pub type Keep<'a> = dyn Fn(Entry<'_>) -> bool + Send + Sync + 'a;

/// Says of a key whether what lies there is of whoever asks.
pub type IsOurs<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

/// A flat map from keys to bytes.
///
/// Every operation can also fail with [`Error::Denied`], [`Error::Transient`], [`Error::Credentials`],
/// [`Error::Location`] and [`Error::Other`], and a reading one with [`Error::Archived`].
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// What this store was opened as, for messages.
    fn location(&self) -> &str;

    /// All objects below `prefix` that `keep` accepts, sorted by key bytes.
    ///
    /// `prefix` is empty or ends with a slash. A prefix below which nothing lies gives an empty listing.
    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error>;

    /// The keys of all objects below `prefix`, sorted as in [`Store::list`], with their lengths in bytes. No content is
    /// read, as a folder's is for the etags of a listing.
    async fn sizes(&self, prefix: &str) -> Result<Vec<(String, u64)>, Error> {
        Ok(self.list(prefix, &|_| true).await?.into_iter().map(|object| (object.key, object.size)).collect())
    }

    /// The object as a listing shows it, if there is one.
    async fn find(&self, key: &str) -> Result<Option<Object>, Error>;

    /// Whether there is such an object. Its content is not read.
    async fn exists(&self, key: &str) -> Result<bool, Error>;

    /// The object's content; [`Error::NotFound`] where there is none.
    async fn get(&self, key: &str) -> Result<Stored, Error>;

    /// The first `length` bytes of the object's content, all of it where there are fewer; [`Error::NotFound`] where
    /// there is none.
    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        let mut bytes = self.get(key).await?.bytes;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The object's content if its etag is still `etag`; [`Error::Changed`] where it was replaced or deleted.
    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error>;

    /// A range of the object's content, as far as there is one, if its etag is still `etag`; [`Error::Changed`] where it
    /// was replaced or deleted. The way to read what is inside a large object.
    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let bytes = self.get_if_match(key, etag).await?;
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(at(range.start)..at(range.end).max(at(range.start))))
    }

    /// What [`Store::get_if_match`] gives for each `(key, etag)`, in order: the way to read many small objects.
    async fn get_all_if_match(&self, wanted: &[(&str, &str)]) -> Result<Vec<Result<Bytes, Error>>, Error> {
        Ok(join_all(wanted.iter().map(|(key, etag)| self.get_if_match(key, etag))).await)
    }

    /// Writes the object, over any former one.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error>;

    /// Writes the object if there is none yet; [`Error::AlreadyExists`] otherwise.
    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error>;

    /// Writes the object over one whose etag is `etag`; [`Error::Changed`] where it is another or gone.
    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error>;

    /// Copies an object inside the store, over any former one at `to`; [`Error::NotFound`] where `from` is missing.
    async fn copy(&self, from: &str, to: &str) -> Result<(), Error>;

    /// Makes an object that was written `age` ago or earlier as young as if it were written now, where a store lets old
    /// objects expire; the content stays. One that does not exist is fine.
    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error>;

    /// Deletes the object; one that does not exist is fine.
    async fn delete(&self, key: &str) -> Result<(), Error>;

    /// Deletes the object whose etag is `etag`; [`Error::Changed`] where it is another. One that does not exist is fine.
    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error>;

    /// Everything that is kept below `prefix`, sorted by key bytes: what was replaced or deleted, too, and marks of that,
    /// where a bucket keeps those. Versions of a key are sorted as [`VersionKind`] is.
    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        let current = self.sizes(prefix).await?.into_iter().map(|(key, size)| Version::only(key, size));
        Ok(current.collect())
    }

    /// A version's content; [`Error::NotFound`] where there is none any more.
    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        Ok(self.get(&version.key).await?.bytes)
    }

    /// Deletes a version for good; one that does not exist is fine.
    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        self.delete(&version.key).await
    }

    /// Ends what calls that were killed have left half done: what no listing shows of their writes goes, parts of uploads
    /// among them, and no removal comes back when the power goes. The caller knows that nobody else writes. Where nothing
    /// is ever half done there is nothing to do. Uploads go only of keys that `is_ours` accepts: a bucket may have other
    /// users below the same prefix.
    async fn settle(&self, _is_ours: &IsOurs<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes the object over the one that was `seen`, by its etag, or where none was; false where somebody else has written
/// or deleted it since.
///
/// # Errors
/// Those of the store.
pub async fn put_over(store: &dyn Store, seen: Option<&str>, key: &str, bytes: Bytes) -> Result<bool, Error> {
    let written = match seen {
        Some(etag) => store.replace(key, bytes, etag).await,
        None => store.create(key, bytes).await,
    };
    match written {
        Err(Error::AlreadyExists { .. } | Error::Changed { .. }) => Ok(false),
        written => written.map(|()| true),
    }
}
