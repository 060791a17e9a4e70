//! A store in memory, for tests that need many.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::local::etag_of;
use crate::{Entry, Error, Keep, Object, Store, Stored, key};

type Matches = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A store in memory. A clone of its content is cheap, so that a test can go on from one state in many ways.
pub struct MemoryStore {
    location: String,
    objects: Mutex<BTreeMap<String, Bytes>>,
    spoilt: Mutex<Vec<Matches>>,
}

impl MemoryStore {
    /// A store called `location` that holds `objects`.
    pub fn new(location: &str, objects: BTreeMap<String, Bytes>) -> Self {
        Self { location: location.to_owned(), objects: Mutex::new(objects), spoilt: Mutex::default() }
    }

    /// All objects.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.lock().clone()
    }

    /// Of the next object whose key `matches` accepts only the first half will be kept when it is put.
    pub fn spoil(&self, matches: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(matches));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
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
        formatter.debug_set().entries(self.lock().keys()).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn location(&self) -> &str {
        &self.location
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        key::check_prefix(prefix)?;
        let objects = self.objects();
        let wanted = objects.into_iter().filter(|(key, _)| key.starts_with(prefix) && keep(Entry::of_object(key)));
        Ok(wanted.map(|(key, bytes)| Object { key, size: bytes.len() as u64, etag: Some(etag_of(&bytes)) }).collect())
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        let bytes = self.lock().get(key).cloned();
        let object =
            |bytes: Bytes| Object { key: key.to_owned(), size: bytes.len() as u64, etag: Some(etag_of(&bytes)) };
        Ok(bytes.map(object))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.lock().contains_key(key))
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
        self.lock().insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        key::check(key)?;
        let mut objects = self.lock();
        if objects.contains_key(key) {
            return Err(Error::already_exists(&self.location, key));
        }
        objects.insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        key::check(key)?;
        let mut objects = self.lock();
        match objects.get_mut(key) {
            Some(stored) if etag_of(stored) == etag => *stored = bytes,
            _ => return Err(Error::changed(&self.location, key)),
        }
        Ok(())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        key::check(to)?;
        let bytes = self.find(from)?;
        self.lock().insert(to.to_owned(), bytes);
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
}
