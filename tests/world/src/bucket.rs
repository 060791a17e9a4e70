//! What lies in a bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// The two buckets of a history, each with the prefix below which all keys lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Input,
    Output,
}

impl Place {
    pub(crate) fn location(self) -> &'static str {
        match self {
            Self::Input => "s3://images/fruits",
            Self::Output => "s3://results/all",
        }
    }

    /// A complete key of the output's bucket as its stores know it.
    pub(crate) fn below_output(key: &str) -> &str {
        key.strip_prefix("all/").unwrap_or_else(|| panic!("{key} does not lie below the output"))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    pub(crate) written: DateTime<Utc>,
}

/// Keys, sorted by their bytes as S3 lists them, below the place's prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket(pub(crate) BTreeMap<String, Blob>);

impl Bucket {
    pub(crate) fn put(&mut self, key: &str, bytes: Bytes, now: DateTime<Utc>) {
        let etag = etag_of(&bytes);
        self.0.insert(key.to_owned(), Blob { bytes, etag, written: now });
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).map(|blob| blob.bytes.clone())
    }

    /// What a store of tests is made of.
    pub(crate) fn contents(&self) -> BTreeMap<String, Bytes> {
        self.0.iter().map(|(key, blob)| (key.clone(), blob.bytes.clone())).collect()
    }
}

/// Like S3's of a plain write, it is the same for the same bytes.
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
