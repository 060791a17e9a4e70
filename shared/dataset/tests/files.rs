//! Images that are files: each is read, or says why not.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pomona_dataset::{Error, Images, Item, Source};
use pomona_run::Options;
use pomona_store::testing::{FailingStore, Fault, Operation};
use pomona_store::{Error as StoreError, LocalStore, Store};
use pomona_terms::RejectReason;

#[tokio::test]
async fn an_archived_image_says_that_it_is_archived_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    ["a.jpg", "b.jpg"].into_iter().for_each(|name| fs::write(folder.path().join(name), name).unwrap());
    let store = FailingStore::new(Arc::new(LocalStore::open(folder.path()).unwrap()));
    let archived = Fault::Fail(|location, key| StoreError::Archived { location: location.into(), key: key.into() });
    store.on(Operation::GetIfMatch, |key| key == "b.jpg", .., archived);
    let files = Images::new(&store);
    let listed = files.list(&Options::default(), &|| {}).await.unwrap();
    let items: Vec<&Item> = listed.items.iter().collect();
    let read = files.reader(&items).read(&items).await.unwrap();
    assert_eq!(read[0].as_deref().unwrap(), b"a.jpg");
    let reject = read[1].as_ref().unwrap_err();
    assert_eq!(reject.reason, RejectReason::Unreadable);
    assert!(reject.detail.contains("archived") && reject.detail.contains("`exclude`"), "{}", reject.detail);
}

/// A run that went on would count all images that are left as unusable.
#[tokio::test]
async fn what_is_no_images_fault_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    ["a.jpg", "b.jpg"].into_iter().for_each(|name| fs::write(folder.path().join(name), name).unwrap());
    let faults: [fn(&str, &str) -> StoreError; 3] = [
        |location, _| StoreError::Credentials { location: location.into(), reason: "ExpiredToken".into() },
        |location, _| StoreError::Location { location: location.into(), reason: "there is no such bucket".into() },
        |location, key| StoreError::Transient { location: location.into(), key: key.into(), reason: "busy".into() },
    ];
    for fault in faults {
        let store = FailingStore::new(Arc::new(LocalStore::open(folder.path()).unwrap()));
        let expected = fault(store.location(), "b.jpg").to_string();
        store.on(Operation::GetIfMatch, |key| key == "b.jpg", .., Fault::Fail(fault));
        let files = Images::new(&store);
        let listed = files.list(&Options::default(), &|| {}).await.unwrap();
        let items: Vec<&Item> = listed.items.iter().collect();
        let error = files.reader(&items).read(&items).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn each_item_is_read_or_says_why_not_whatever_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jpg"), "a").unwrap();
    fs::write(folder.path().join("c.jpg"), "c").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("b.jpg")).unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let files = Images::new(&store);
    let listed = files.list(&Options::default(), &|| {}).await.unwrap();
    let items: Vec<&Item> = listed.items.iter().collect();
    let versions: Vec<bool> = items.iter().map(|item| item.version.is_some()).collect();
    assert_eq!(versions, [true, false, true]);
    let read = files.reader(&items).read(&items).await.unwrap();
    assert_eq!((read[0].as_deref().unwrap(), read[2].as_deref().unwrap()), (&b"a"[..], &b"c"[..]));
    assert_eq!(read[1].as_ref().unwrap_err().detail, "a link that leads nowhere");

    fs::write(folder.path().join("c.jpg"), "d").unwrap();
    let Err(Error::Changed { id, .. }) = files.reader(&items).read(&items).await else {
        panic!("a replaced image was read")
    };
    assert_eq!(id, "c.jpg");
    fs::write(folder.path().join("nowhere"), "now it leads somewhere").unwrap();
    let Err(Error::Changed { id, .. }) = files.reader(&items).read(&items[1..2]).await else {
        panic!("a new image was read")
    };
    assert_eq!(id, "b.jpg");
}

#[tokio::test]
async fn every_file_is_told_of_once_with_a_limit_too() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jpg", "b.jpg", "c.jpg", "notes.txt"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let store = LocalStore::open(folder.path()).unwrap();
    for limit in [None, Some(2)] {
        let told = AtomicUsize::new(0);
        let on_file = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let listed = Images::new(&store).list(&Options { limit, ..Options::default() }, &on_file).await.unwrap();
        assert_eq!((told.into_inner(), listed.items.len()), (4, limit.unwrap_or(3) as usize));
    }
}
