//! What lies in a bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pomona_store::{Version, VersionKind};
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

/// Blobs by their keys, which lie below the place's prefix and are sorted by their bytes as S3 lists them.
pub(crate) type Objects = BTreeMap<String, Blob>;

/// What lies in a bucket, and what it keeps of what was replaced and deleted.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    objects: Objects,
    /// Of each key, the newest last; that of an object is its content, another last one says that it was deleted. None
    /// where the bucket keeps no versions.
    versions: Option<BTreeMap<String, Vec<Written>>>,
    writes: u64,
}

/// A content that was written, or that a key was deleted.
#[derive(Debug)]
struct Written {
    id: String,
    bytes: Option<Bytes>,
}

impl Bucket {
    pub(crate) fn with_versions() -> Self {
        Self { versions: Some(BTreeMap::new()), ..Self::default() }
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Blob> {
        self.objects.get(key)
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.get(key).map(|blob| blob.bytes.clone())
    }

    pub(crate) fn put(&mut self, key: &str, bytes: Bytes, now: DateTime<Utc>) {
        let etag = etag_of(&bytes);
        self.put_blob(key, Blob { bytes, etag, written: now });
    }

    /// What was written before, as it was.
    pub(crate) fn put_blob(&mut self, key: &str, blob: Blob) {
        self.keep(key, Some(blob.bytes.clone()));
        self.objects.insert(key.to_owned(), blob);
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.keep(key, None);
        self.objects.remove(key);
    }

    /// Deletes those objects, and gives them.
    pub(crate) fn delete_all(&mut self, mut is_meant: impl FnMut(&str, &Blob) -> bool) -> Objects {
        let deleted: Objects = self.objects.extract_if(.., |key, blob| is_meant(key, blob)).collect();
        deleted.keys().for_each(|key| self.keep(key, None));
        deleted
    }

    fn keep(&mut self, key: &str, bytes: Option<Bytes>) {
        self.writes += 1;
        if let Some(versions) = &mut self.versions {
            versions.entry(key.to_owned()).or_default().push(Written { id: self.writes.to_string(), bytes });
        }
    }

    /// What a store of tests is made of.
    pub(crate) fn contents(&self) -> BTreeMap<String, Bytes> {
        self.objects.iter().map(|(key, blob)| (key.clone(), blob.bytes.clone())).collect()
    }

    /// All that was written, as far as it is kept: keys with contents, or with nothing where they were deleted then.
    pub(crate) fn writes(&self) -> Vec<(String, Option<Bytes>)> {
        let Some(versions) = &self.versions else {
            return self.contents().into_iter().map(|(key, bytes)| (key, Some(bytes))).collect();
        };
        let of_key = |(key, written): (&String, &Vec<Written>)| -> Vec<(String, Option<Bytes>)> {
            written.iter().map(|written| (key.clone(), written.bytes.clone())).collect()
        };
        versions.iter().flat_map(of_key).collect()
    }

    /// As a store lists them.
    pub(crate) fn versions(&self, prefix: &str) -> Vec<Version> {
        let mut listed = Vec::new();
        let Some(versions) = &self.versions else {
            let objects = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
            return objects.map(|(key, blob)| version(key, VersionKind::Current, None, Some(&blob.bytes))).collect();
        };
        for (key, written) in versions.iter().filter(|(key, _)| key.starts_with(prefix)) {
            for (number, Written { id, bytes }) in written.iter().enumerate() {
                let kind = match bytes {
                    None => VersionKind::DeleteMarker,
                    Some(_) if number + 1 == written.len() => VersionKind::Current,
                    Some(_) => VersionKind::Older,
                };
                listed.push(version(key, kind, Some(id.clone()), bytes.as_ref()));
            }
        }
        listed.sort_unstable();
        listed
    }

    pub(crate) fn version(&self, key: &str, id: &str) -> Option<Bytes> {
        let written = self.versions.as_ref()?.get(key)?;
        written.iter().find(|written| written.id == id)?.bytes.clone()
    }

    /// Deletes a version for good: whatever lies under it shows up.
    pub(crate) fn delete_version(&mut self, key: &str, id: &str, now: DateTime<Utc>) {
        let Some(written) = self.versions.as_mut().and_then(|versions| versions.get_mut(key)) else { return };
        let newest = written.last().map(|newest| newest.id.clone());
        written.retain(|written| written.id != id);
        let is_newest = newest.is_some_and(|newest| newest == id);
        match written.last() {
            _ if !is_newest => {}
            Some(Written { bytes: Some(bytes), .. }) => {
                let blob = Blob { bytes: bytes.clone(), etag: etag_of(bytes), written: now };
                self.objects.insert(key.to_owned(), blob);
            }
            Some(Written { bytes: None, .. }) | None => drop(self.objects.remove(key)),
        }
    }
}

fn version(key: &str, kind: VersionKind, id: Option<String>, bytes: Option<&Bytes>) -> Version {
    Version { key: key.to_owned(), kind, id, size: bytes.map_or(0, |bytes| bytes.len() as u64) }
}

/// Like S3's of a plain write, it is the same for the same bytes.
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
