//! A store in memory, for tests that need many.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::local::etag_of;
use crate::{Entry, Error, Keep, Object, Store, Stored, Version, VersionKind, key};

type Matches = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A store in memory. A clone of its content is cheap, so that a test can go on from one state in many ways.
pub struct MemoryStore {
    location: String,
    objects: Mutex<Objects>,
    spoilt: Mutex<Vec<Matches>>,
}

/// What was written under each key, the newest last; of a store without versions just that.
#[derive(Default)]
struct Objects {
    written: BTreeMap<String, Vec<Written>>,
    has_versions: bool,
    writes: u64,
}

fn object(key: &str, bytes: &Bytes) -> Object {
    Object { key: key.to_owned(), size: bytes.len() as u64, etag: Some(etag_of(bytes)) }
}

/// A content, or that the key was deleted.
struct Written {
    id: u64,
    bytes: Option<Bytes>,
}

impl Objects {
    fn get(&self, key: &str) -> Option<&Bytes> {
        self.written.get(key)?.last()?.bytes.as_ref()
    }

    fn current_below(&self, prefix: &str) -> impl Iterator<Item = (&String, &Bytes)> {
        let from = self.written.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let below = from.take_while(move |(key, _)| key.starts_with(prefix));
        below.filter_map(|(key, written)| Some((key, written.last()?.bytes.as_ref()?)))
    }

    fn insert(&mut self, key: &str, bytes: Bytes) {
        self.write(key, Some(bytes));
    }

    fn remove(&mut self, key: &str) {
        if self.has_versions {
            self.write(key, None);
        } else {
            self.written.remove(key);
        }
    }

    fn write(&mut self, key: &str, bytes: Option<Bytes>) {
        self.writes += 1;
        let written = self.written.entry(key.to_owned()).or_default();
        if !self.has_versions {
            written.clear();
        }
        written.push(Written { id: self.writes, bytes });
    }
}

impl MemoryStore {
    /// A store called `location` that holds `objects`.
    pub fn new(location: &str, objects: BTreeMap<String, Bytes>) -> Self {
        let mut held = Objects::default();
        objects.into_iter().for_each(|(key, bytes)| held.insert(&key, bytes));
        Self { location: location.to_owned(), objects: Mutex::new(held), spoilt: Mutex::default() }
    }

    /// The same, which keeps what is replaced and deleted, as a bucket with versions does.
    pub fn with_versions(self) -> Self {
        self.lock().has_versions = true;
        self
    }

    /// All objects.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.lock().current_below("").map(|(key, bytes)| (key.clone(), bytes.clone())).collect()
    }

    /// Of the next object whose key `matches` accepts only the first half will be kept when it is put.
    pub fn spoil(&self, matches: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(matches));
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_spoilt(&self, key: &str) -> bool {
        let mut spoilt = self.spoilt.lock().unwrap_or_else(PoisonError::into_inner);
        let met = spoilt.iter().position(|matches| matches(key));
        met.map(|met| spoilt.remove(met)).is_some()
    }

    fn find(&self, key: &str) -> Result<Bytes, Error> {
        self.lock().get(key).cloned().ok_or_else(|| Error::not_found(&self.location, key))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.lock().written.keys()).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn location(&self) -> &str {
        &self.location
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        key::check_prefix(prefix)?;
        let objects = self.lock();
        let below = objects.current_below(prefix);
        let wanted = below.filter(|(key, _)| keep(Entry::of_object(key)));
        Ok(wanted.map(|(key, bytes)| object(key, bytes)).collect())
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        Ok(self.lock().get(key).map(|bytes| object(key, bytes)))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.lock().get(key).is_some())
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        Ok(Stored { bytes: self.find(key)?, etag: None })
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        let found = self.find(key).ok().filter(|bytes| etag_of(bytes) == etag);
        found.ok_or_else(|| Error::changed(&self.location, key))
    }

    async fn put(&self, key: &str, mut bytes: Bytes) -> Result<(), Error> {
        key::check(key)?;
        if self.is_spoilt(key) {
            bytes.truncate(bytes.len() / 2);
        }
        self.lock().insert(key, bytes);
        Ok(())
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        key::check(key)?;
        let mut objects = self.lock();
        if objects.get(key).is_some() {
            return Err(Error::already_exists(&self.location, key));
        }
        objects.insert(key, bytes);
        Ok(())
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        key::check(key)?;
        let mut objects = self.lock();
        match objects.get(key) {
            Some(stored) if etag_of(stored) == etag => objects.insert(key, bytes),
            _ => return Err(Error::changed(&self.location, key)),
        }
        Ok(())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        key::check(to)?;
        let bytes = self.find(from)?;
        self.lock().insert(to, bytes);
        Ok(())
    }

    async fn refresh(&self, _: &str, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        key::check(key)?;
        self.lock().remove(key);
        Ok(())
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        key::check(key)?;
        let mut objects = self.lock();
        if objects.get(key).is_some_and(|stored| etag_of(stored) != etag) {
            return Err(Error::changed(&self.location, key));
        }
        objects.remove(key);
        Ok(())
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        key::check_prefix(prefix)?;
        let objects = self.lock();
        let mut versions = Vec::new();
        for (key, written) in objects.written.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let newest = written.last().map(|newest| newest.id);
            versions.extend(written.iter().map(|Written { id, bytes }| Version {
                key: key.clone(),
                kind: match bytes {
                    None => VersionKind::DeleteMarker,
                    Some(_) if Some(*id) == newest => VersionKind::Current,
                    Some(_) => VersionKind::Older,
                },
                id: objects.has_versions.then(|| id.to_string()),
                size: bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            }));
        }
        versions.sort_unstable();
        Ok(versions)
    }

    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        let Some(id) = &version.id else { return self.find(&version.key) };
        let objects = self.lock();
        let written = objects.written.get(&version.key).into_iter().flatten();
        let found = written.filter(|written| written.id.to_string() == *id).find_map(|written| written.bytes.clone());
        found.ok_or_else(|| Error::not_found(&self.location, &version.key))
    }

    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        let Some(id) = &version.id else { return self.delete(&version.key).await };
        let mut objects = self.lock();
        let Some(written) = objects.written.get_mut(&version.key) else { return Ok(()) };
        written.retain(|written| written.id.to_string() != *id);
        if written.is_empty() {
            objects.written.remove(&version.key);
        }
        Ok(())
    }
}
