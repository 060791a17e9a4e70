//! A dataset in memory, and what is listed and read of it.

use bytes::Bytes;
use pomona_dataset::{Images, Item, Listed, Source};
use pomona_run::Options;
use pomona_store::testing::MemoryStore;
use pomona_terms::Reject;

/// These objects.
pub fn store(objects: &[(&str, &[u8])]) -> MemoryStore {
    let objects = objects.iter().map(|(key, bytes)| ((*key).to_owned(), Bytes::copy_from_slice(bytes)));
    MemoryStore::new("in", objects.collect())
}

/// What is listed.
pub async fn list(images: &Images<'_>, options: &Options) -> Listed {
    images.list(options, &|| {}).await.unwrap()
}

/// Each item with its label, and its bytes or why there are none.
pub async fn read(images: &Images<'_>, items: &[Item]) -> Vec<(String, String, Result<Bytes, Reject>)> {
    let items: Vec<&Item> = items.iter().collect();
    let read = images.reader(&items).read(&items).await.unwrap();
    let each = items.iter().zip(read);
    each.map(|(item, read)| (item.id.clone(), item.label.to_string(), read)).collect()
}
