//! What a file's bytes must be: digests that whoever wrote it left behind, checked by whoever reads it before any byte
//! is used.
//!
//! Every file that is read again is vouched for. Moments and the records below carry a seal of their own; a part's
//! other files stand in its moments, the listings in shards.json, and the rest in the record of the stage that wrote
//! it: plan.json, digests/reduce.json, counters/&lt;shard&gt;.json, digests/report.json. So nothing is read that was
//! not written by a run, and no file in the place of another.

use std::collections::BTreeMap;

use bytes::Bytes;
use pomona_run::names;
use pomona_store::{Error as StoreError, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error};
use crate::json;

/// SHA-256 of files by their keys at the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(BTreeMap<String, String>);

/// A record of nothing but digests.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    files: Digests,
}

impl Digests {
    /// Vouches for `bytes` at `key`.
    pub fn add(&mut self, key: &str, bytes: &[u8]) {
        self.add_known(key, names::digest(bytes));
    }

    /// As [`Digests::add`], of a file whose digest is known.
    pub fn add_known(&mut self, key: &str, sha256: String) {
        self.0.insert(key.to_owned(), sha256);
    }

    /// The files that are vouched for, each with its digest, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, sha256)| (key.as_str(), sha256.as_str()))
    }

    /// The digest of the file at `key`, if it is vouched for.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The files that the record at `key` vouches for, if `bytes` are that record.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode_record(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        Ok(json::unseal::<Record>(key, bytes)?.files)
    }

    /// The bytes at `key`, if they are those that were written.
    pub async fn read(&self, store: &dyn Store, key: &str) -> Result<Bytes, Error> {
        let sha256 = self.0.get(key).ok_or_else(|| Error::damaged(key, Damage::Unknown))?;
        read(store, key, sha256).await
    }

    /// As [`Digests::read`], of JSON.
    pub async fn read_json<T: DeserializeOwned>(&self, store: &dyn Store, key: &str) -> Result<T, Error> {
        json::decode(key, &self.read(store, key).await?)
    }

    /// Writes them as a record at `key`.
    pub async fn write_record(self, store: &dyn Store, key: &str) -> Result<(), Error> {
        Ok(store.put(key, json::seal(key, &Record { files: self })?).await?)
    }

    /// Reads the record at `key`.
    pub async fn read_record(store: &dyn Store, key: &str) -> Result<Self, Error> {
        Ok(read_sealed::<Record>(store, key).await?.files)
    }
}

/// The bytes at `key`, if their digest is `sha256`.
pub async fn read(store: &dyn Store, key: &str, sha256: &str) -> Result<Bytes, Error> {
    let bytes = get(store, key).await?;
    check(key, &bytes, sha256)?;
    Ok(bytes)
}

/// The value of sealed JSON at `key`.
pub async fn read_sealed<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<T, Error> {
    json::unseal(key, &get(store, key).await?)
}

/// The bytes of a file that must be there; who calls this checks them.
pub async fn get(store: &dyn Store, key: &str) -> Result<Bytes, Error> {
    match store.get(key).await {
        Ok(stored) => Ok(stored.bytes),
        Err(StoreError::NotFound { .. }) => Err(Error::damaged(key, Damage::Missing)),
        Err(error) => Err(error.into()),
    }
}

/// Whether `bytes`, read at `key`, have the digest `sha256`.
pub fn check(key: &str, bytes: &[u8], sha256: &str) -> Result<(), Error> {
    if names::digest(bytes) == sha256 { Ok(()) } else { Err(Error::damaged(key, Damage::Altered)) }
}
