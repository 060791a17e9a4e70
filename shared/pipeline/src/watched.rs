//! A store that tells how its listings get on.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pomona_store::{Entry, Error, Keep, Object, Store, Stored};

/// Another store, whose listings tell of every file that they come across.
pub(crate) struct Watched<'a> {
    store: &'a dyn Store,
    on_file: &'a (dyn Fn() + Send + Sync),
}

impl<'a> Watched<'a> {
    pub(crate) fn new(store: &'a dyn Store, on_file: &'a (dyn Fn() + Send + Sync)) -> Self {
        Self { store, on_file }
    }
}

impl fmt::Debug for Watched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.store).finish()
    }
}

// A method that is left to its default would lose what the store below does better.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Watched<'_> {
    fn location(&self) -> &str {
        self.store.location()
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        let tell = |entry: Entry<'_>| {
            if !matches!(entry, Entry::Folder(_)) {
                (self.on_file)();
            }
            keep(entry)
        };
        self.store.list(prefix, &tell).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.store.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        self.store.get(key).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        self.store.get_start(key, length).await
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        self.store.get_if_match(key, etag).await
    }

    async fn get_all_if_match(&self, wanted: &[(&str, &str)]) -> Result<Vec<Result<Bytes, Error>>, Error> {
        self.store.get_all_if_match(wanted).await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.store.put(key, bytes).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.store.create(key, bytes).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        self.store.replace(key, bytes, etag).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.store.copy(from, to).await
    }

    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        self.store.refresh(key, age).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.store.delete(key).await
    }
}
