//! A store that counts what S3 would bill.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pomona_store::{Error, IsOurs, Keep, Object, Store, Stored, Version};

/// Requests by what they cost: GET and HEAD; PUT and COPY; LIST. Deleting is free.
#[derive(Debug, Default)]
pub struct Requests {
    pub gets: AtomicU64,
    pub puts: AtomicU64,
    pub lists: AtomicU64,
}

#[derive(Debug)]
pub struct Counting<S> {
    pub store: S,
    pub requests: Arc<Requests>,
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

// A method that is left to its default would not be counted as it is billed.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Store> Store for Counting<S> {
    fn location(&self) -> &str {
        self.store.location()
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        one_more(&self.requests.lists);
        self.store.list(prefix, keep).await
    }

    async fn sizes(&self, prefix: &str) -> Result<Vec<(String, u64)>, Error> {
        one_more(&self.requests.lists);
        self.store.sizes(prefix).await
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        one_more(&self.requests.gets);
        self.store.find(key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        one_more(&self.requests.gets);
        self.store.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        one_more(&self.requests.gets);
        self.store.get(key).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        one_more(&self.requests.gets);
        self.store.get_start(key, length).await
    }

    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        one_more(&self.requests.gets);
        self.store.get_range(key, etag, range).await
    }

    async fn get_all_if_match(&self, wanted: &[(&str, &str)]) -> Result<Vec<Result<Bytes, Error>>, Error> {
        wanted.iter().for_each(|_| one_more(&self.requests.gets));
        self.store.get_all_if_match(wanted).await
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        one_more(&self.requests.gets);
        self.store.get_if_match(key, etag).await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        one_more(&self.requests.puts);
        self.store.put(key, bytes).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        one_more(&self.requests.puts);
        self.store.create(key, bytes).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        one_more(&self.requests.puts);
        self.store.replace(key, bytes, etag).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        one_more(&self.requests.puts);
        self.store.copy(from, to).await
    }

    // S3 is asked how old the object is.
    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        one_more(&self.requests.gets);
        self.store.refresh(key, age).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.store.delete(key).await
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        self.store.delete_if_match(key, etag).await
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        one_more(&self.requests.lists);
        self.store.versions(prefix).await
    }

    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        one_more(&self.requests.gets);
        self.store.get_version(version).await
    }

    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        self.store.delete_version(version).await
    }

    async fn settle(&self, is_ours: &IsOurs<'_>) -> Result<(), Error> {
        self.store.settle(is_ours).await
    }
}
