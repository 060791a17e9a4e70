//! Archives of images.

use bytes::Bytes;
use pomona_dataset::{Images, Item, Listed, Source};
use pomona_run::Options;
use pomona_store::Store;

use crate::choice;
use crate::stores::{block_on, store_of};

pub(crate) fn tar(bytes: &[u8]) {
    check(bytes, &["d.tar", "d.tar.gz", "d.tar.zst"]);
}

pub(crate) fn zip(bytes: &[u8]) {
    check(bytes, &["d.zip"]);
}

pub(crate) fn table(bytes: &[u8]) {
    check(bytes, &["d.parquet"]);
}

/// Of any archive there is a listing, the same each time, and each item of it is read, at once with others and alone,
/// as bytes of the size that was listed or as a reject.
fn check(bytes: &[u8], names: &[&str]) {
    let (choice, bytes) = choice(bytes);
    let name = names[usize::from(choice >> 1) % names.len()];
    let store = store_of([(name.to_owned(), Bytes::copy_from_slice(bytes))]);
    let listed = list(&store, name, choice);
    assert_eq!(listed.items, list(&store, name, choice).items);
    let images = images(&store, name, choice);
    let together = read(&images, &listed.items.iter().collect::<Vec<_>>());
    for (item, read_together) in listed.items.iter().zip(&together) {
        assert_eq!(&read(&images, &[item])[0], read_together, "{item:?}");
        assert!(read_together.as_ref().is_none_or(|bytes| bytes.len() as u64 == item.size), "{item:?}");
    }
}

/// The archive as one file of a folder, or as what the input itself is.
fn images<'a>(store: &'a dyn Store, name: &str, choice: u8) -> Images<'a> {
    Images::new(store).in_archive((choice & 1 == 1).then(|| name.to_owned()))
}

fn list(store: &dyn Store, name: &str, choice: u8) -> Listed {
    let images = images(store, name, choice);
    block_on(images.list(&Options::default(), &|| {})).expect("what is odd is counted")
}

fn read(images: &Images<'_>, items: &[&Item]) -> Vec<Option<Bytes>> {
    let read = block_on(images.reader(items).read(items)).expect("nothing has changed");
    read.into_iter().map(Result::ok).collect()
}
