//! What an archive holds, as a list that can be kept.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use pomona_terms::Reject;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its files.
    pub members: Vec<Indexed>,
    /// What is no file of it, by what it is.
    pub passed: BTreeMap<String, u64>,
    /// Why it cannot be read, or not to its end.
    pub broken: Option<Reject>,
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indexed {
    /// Its name.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
    /// Changes when its content does: the SHA-256 of that, or the checksum that a zip has.
    pub version: String,
    /// Where it begins, in a compressed tar when that is unpacked.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The label that lies beside it.
    pub label: Option<String>,
    /// Why its content cannot be read.
    pub unusable: Option<Reject>,
}

/// Indexes that were made before, by names that say all that they depend on.
#[async_trait]
pub trait Indexes: Debug + Send + Sync {
    /// One that is there.
    ///
    /// # Errors
    /// Those of what keeps it; one that is damaged is not there.
    async fn read(&self, name: &str) -> Result<Option<Index>, Error>;

    /// Keeps one.
    ///
    /// # Errors
    /// Those of what keeps it.
    async fn write(&self, name: &str, index: &Index) -> Result<(), Error>;
}

/// No index is kept: archives are read anew each time.
#[derive(Clone, Copy, Debug)]
pub struct NoIndexes;

#[async_trait]
impl Indexes for NoIndexes {
    async fn read(&self, _: &str) -> Result<Option<Index>, Error> {
        Ok(None)
    }

    async fn write(&self, _: &str, _: &Index) -> Result<(), Error> {
        Ok(())
    }
}
