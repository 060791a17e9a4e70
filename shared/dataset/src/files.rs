//! Images that are files below a folder or a prefix.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use pomona_run::Options;
use pomona_run::label::LabelFrom;
use pomona_store::{Entry, Error as StoreError, Object, Store};
use pomona_terms::{Reject, RejectReason};

use crate::error::Error;
use crate::item::{Item, Rejected};
use crate::sample::sample;
use crate::selection::{BROKEN_LINK, Remainder, Selection};
use crate::source::{Listed, Source};

/// The images in a store. An image's label is the name of a folder that it lies in, as the options choose it.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    store: &'a dyn Store,
}

impl<'a> Files<'a> {
    /// Those in `store`.
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store }
    }

    async fn all(&self, options: &Options, on_file: &OnFile<'_>) -> Result<(Vec<Object>, Remainder), Error> {
        let selection = Selection::new(options)?;
        let objects = self.store.list("", &|entry| told(entry, on_file, &selection)).await?;
        let remainder = selection.into_remainder(objects.iter().map(|object| object.key.as_str()));
        Ok((objects, remainder))
    }

    /// Lists twice: names first, so that of a folder no more files are opened than the sample takes.
    async fn sample(
        &self,
        options: &Options,
        limit: u64,
        on_file: &OnFile<'_>,
    ) -> Result<(Vec<Object>, Remainder), Error> {
        let selection = Selection::new(options)?;
        let keys = Mutex::new(Vec::new());
        let note = |entry: Entry<'_>| {
            if told(entry, on_file, &selection) {
                keys.lock().unwrap_or_else(PoisonError::into_inner).push(entry.key().to_owned());
            }
            false
        };
        self.store.list("", &note).await?;
        let mut keys = keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        keys.sort_unstable();
        let remainder = selection.into_remainder(keys.iter().map(String::as_str));
        let sample: HashSet<String> = sample(keys, options.label_from, limit);
        Ok((self.store.list("", &|entry| sample.contains(entry.key())).await?, remainder))
    }

    /// What was read, if the image is as it was when it was listed.
    fn unchanged(&self, item: &Item, read: Result<Bytes, StoreError>) -> Result<Result<Bytes, Reject>, Error> {
        let was_opened = item.version.is_some();
        match read {
            Ok(bytes) if was_opened => Ok(Ok(bytes)),
            Err(StoreError::Changed { .. } | StoreError::NotFound { .. }) if was_opened => Err(self.changed(item)),
            Ok(_) => Err(self.changed(item)),
            Err(error) if error.is_retryable() => Err(error.into()),
            Err(error) => Ok(Err(unreadable(item, &error))),
        }
    }

    fn changed(&self, item: &Item) -> Error {
        Error::Changed { location: self.location().to_owned(), id: item.id.clone() }
    }
}

type OnFile<'a> = dyn Fn() + Send + Sync + 'a;

/// Whether `entry` is an image of the dataset, having told of it.
fn told(entry: Entry<'_>, on_file: &OnFile<'_>, selection: &Selection) -> bool {
    if !matches!(entry, Entry::Folder(_)) {
        on_file();
    }
    selection.keeps(entry)
}

#[async_trait]
impl Source for Files<'_> {
    fn location(&self) -> &str {
        self.store.location()
    }

    async fn list(&self, options: &Options, on_file: &(dyn Fn() + Send + Sync)) -> Result<Listed, Error> {
        let (objects, Remainder { files, left_out, odd_folders }) = match options.limit {
            None => self.all(options, on_file).await?,
            Some(limit) => self.sample(options, limit, on_file).await?,
        };
        let labels = options.label_from;
        let rejected = |(path, reject): (String, Reject)| {
            let label = labels.label(&path).to_owned();
            Rejected { path, label, reject }
        };
        let odd_folders = odd_folders.into_iter().map(rejected).collect();
        Ok(Listed { items: items(objects, labels), files, left_out, odd_folders })
    }

    async fn read(&self, items: &[&Item]) -> Result<Vec<Result<Bytes, Reject>>, Error> {
        let opened = items.iter().filter_map(|item| Some((item.id.as_str(), item.version.as_deref()?)));
        let mut opened = self.store.get_all_if_match(&opened.collect::<Vec<_>>()).await?.into_iter();
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let read = match item.version {
                Some(_) => opened.next(),
                None => Some(self.store.get(&item.id).await.map(|stored| stored.bytes)),
            };
            all.extend(read.map(|read| self.unchanged(item, read)).transpose()?);
        }
        Ok(all)
    }
}

/// Sorts and labels the objects; equal labels share their text.
fn items(mut objects: Vec<Object>, from: LabelFrom) -> Vec<Item> {
    objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let mut labels: BTreeSet<Arc<str>> = BTreeSet::new();
    let item = |object: Object| {
        let name = from.label(&object.key);
        let label = labels.get(name).cloned().unwrap_or_else(|| Arc::from(name));
        labels.insert(label.clone());
        Item { id: object.key, size: object.size, version: object.etag, label }
    };
    objects.into_iter().map(item).collect()
}

fn unreadable(item: &Item, error: &StoreError) -> Reject {
    let detail = match error {
        // In a folder's listing only names that are not UTF-8 show this character.
        _ if item.id.contains(char::REPLACEMENT_CHARACTER) => "its name is not UTF-8; rename it",
        StoreError::Denied { .. } => "no permission to read it",
        StoreError::Archived { .. } => "it is archived; restore it, or leave it out with `exclude`",
        StoreError::NotFound { .. } => BROKEN_LINK,
        StoreError::Invalid { .. } => "its name cannot be used as a key",
        _ => "the system could not read it",
    };
    Reject { reason: RejectReason::Unreadable, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::LocalStore;
    use pomona_store::testing::{FailingStore, Fault, Operation};
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn an_archived_image_says_that_it_is_archived_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        ["a.jpg", "b.jpg"].into_iter().for_each(|name| fs::write(folder.path().join(name), name).unwrap());
        let store = FailingStore::new(Arc::new(LocalStore::open(folder.path()).unwrap()));
        let archived = Fault::Fail(|location, key| StoreError::Archived { location: location.into(), key: key.into() });
        store.on(Operation::GetIfMatch, |key| key == "b.jpg", .., archived);
        let files = Files::new(&store);
        let listed = files.list(&Options::default(), &|| {}).await.unwrap();
        let read = files.read(&listed.items.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(read[0].as_deref().unwrap(), b"a.jpg");
        let reject = read[1].as_ref().unwrap_err();
        assert_eq!(reject.reason, RejectReason::Unreadable);
        assert!(reject.detail.contains("archived") && reject.detail.contains("`exclude`"), "{}", reject.detail);
    }

    #[tokio::test]
    async fn each_item_is_read_or_says_why_not_whatever_stands_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.jpg"), "a").unwrap();
        fs::write(folder.path().join("c.jpg"), "c").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("b.jpg")).unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let files = Files::new(&store);
        let listed = files.list(&Options::default(), &|| {}).await.unwrap();
        let items: Vec<&Item> = listed.items.iter().collect();
        let versions: Vec<bool> = items.iter().map(|item| item.version.is_some()).collect();
        assert_eq!(versions, [true, false, true]);
        let read = files.read(&items).await.unwrap();
        assert_eq!((read[0].as_deref().unwrap(), read[2].as_deref().unwrap()), (&b"a"[..], &b"c"[..]));
        assert_eq!(read[1].as_ref().unwrap_err().detail, BROKEN_LINK);

        fs::write(folder.path().join("c.jpg"), "d").unwrap();
        let Err(Error::Changed { id, .. }) = files.read(&items).await else { panic!("a replaced image was read") };
        assert_eq!(id, "c.jpg");
        fs::write(folder.path().join("nowhere"), "now it leads somewhere").unwrap();
        let Err(Error::Changed { id, .. }) = files.read(&items[1..2]).await else { panic!("a new image was read") };
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
            let listed = Files::new(&store).list(&Options { limit, ..Options::default() }, &on_file).await.unwrap();
            assert_eq!((told.into_inner(), listed.items.len()), (4, limit.unwrap_or(3) as usize));
        }
    }
}
