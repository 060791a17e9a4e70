//! Images below a folder or a prefix: files of their own, and members of archives that lie there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_run::Options;
use pomona_run::label::LabelFrom;
use pomona_store::{Entry, Object, Store};
use pomona_terms::{Reject, RejectReason};

use crate::archive::{Form, Index, Indexed, Indexes, NoIndexes, Wanted, index_of};
use crate::error::Error;
use crate::item::{Item, Member, Place, Rejected};
use crate::reader::ImageReader;
use crate::sample::sample;
use crate::selection::{LeftOut, Remainder, Selection, extension};
use crate::source::{Listed, Reader, Source};

/// Archives whose indexes are read at once.
const ARCHIVES_AT_ONCE: usize = 4;

/// The images in a store. An image's label is the name of a folder that it lies in, as the options choose it, or what
/// lies beside it in its archive. An archive is a folder to the ids of its members, and none to their labels.
#[derive(Clone, Debug)]
pub struct Images<'a> {
    store: &'a dyn Store,
    location: String,
    indexes: &'a dyn Indexes,
    labels: Option<&'a HashMap<String, String>>,
    list: Option<&'a BTreeSet<String>>,
    /// The only archive that is meant, whose members are the dataset.
    only: Option<String>,
}

impl<'a> Images<'a> {
    /// Those in `store`.
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, location: store.location().to_owned(), indexes: &NoIndexes, labels: None, list: None, only: None }
    }

    /// With archives' indexes kept.
    #[must_use]
    pub fn with_indexes(self, indexes: &'a dyn Indexes) -> Self {
        Self { indexes, ..self }
    }

    /// With these labels by id, where there are any, and no others.
    #[must_use]
    pub fn with_labels(self, labels: Option<&'a HashMap<String, String>>) -> Self {
        Self { labels, ..self }
    }

    /// With these images alone, by their ids or by the archives that they are in, where a list is given. One that is not
    /// there is an image that cannot be read.
    #[must_use]
    pub fn with_list(self, list: Option<&'a BTreeSet<String>>) -> Self {
        Self { list, ..self }
    }

    /// Where an archive is named, the members of that alone, which are called as in there.
    #[must_use]
    pub fn in_archive(self, name: Option<String>) -> Self {
        let location = match &name {
            Some(name) => format!("{}/{name}", self.store.location().trim_end_matches('/')),
            None => self.location,
        };
        Self { location, only: name, ..self }
    }

    /// Whether `key` is an archive by its name.
    pub fn is_archive(key: &str) -> bool {
        Form::of(key).is_some()
    }

    /// Whether what is called `key` is an image by its name, as `options` have it, or an archive, which may hold some.
    pub fn may_hold(key: &str, options: &Options) -> bool {
        let is_image = |ending: String| options.extensions.iter().any(|other| other.to_lowercase() == ending);
        extension(key).is_some_and(is_image) || Self::is_archive(key)
    }

    /// What lies there and is kept; where one archive is meant, nothing else is looked at.
    async fn objects(&self, keep: &(dyn Fn(Entry<'_>) -> bool + Send + Sync)) -> Result<Vec<Object>, Error> {
        match &self.only {
            None => Ok(self.store.list("", keep).await?),
            Some(only) => match self.store.find(only).await? {
                // It was asked for by name, whatever is wanted of what lies in it.
                Some(archive) => Ok(vec![archive]),
                None => Err(Error::NoArchive { location: self.location.clone() }),
            },
        }
    }

    async fn all(&self, options: &Options, on_file: &OnFile<'_>) -> Result<(Vec<Item>, Remainder), Error> {
        let selection = Selection::new(options, self.list)?;
        let objects = self.objects(&|entry| told(entry, on_file, &selection)).await?;
        let (archives, files): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| Self::is_archive(&object.key));
        let mut labels = Labels::new(options.label_from, self.labels);
        let mut items = self.members(archives, options, &selection, &mut labels, on_file).await?;
        items.extend(files.into_iter().map(|object| labels.file(object)));
        let mut remainder = selection.into_remainder(sorted_ids(&items).into_iter());
        items.extend(remainder.missing.iter().map(|path| labels.missing(path)));
        labels.count(items.iter().map(|item| item.id.as_str()), &mut remainder.left_out);
        Ok((items, remainder))
    }

    /// Lists twice: names first, so that of a folder no more files are opened than the sample takes.
    async fn sample(
        &self,
        options: &Options,
        limit: u64,
        on_file: &OnFile<'_>,
    ) -> Result<(Vec<Item>, Remainder), Error> {
        let selection = Selection::new(options, self.list)?;
        let keys = Mutex::new(Vec::new());
        let keep = |entry: Entry<'_>| {
            let is_kept = told(entry, on_file, &selection);
            let is_archive = Self::is_archive(entry.key());
            if is_kept && !is_archive {
                keys.lock().unwrap_or_else(PoisonError::into_inner).push(entry.key().to_owned());
            }
            is_kept && is_archive
        };
        let archives = self.objects(&keep).await?;
        let mut labels = Labels::new(options.label_from, self.labels);
        let mut items = self.members(archives, options, &selection, &mut labels, on_file).await?;
        let keys = keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut listed = sorted_ids(&items);
        listed.extend(keys.iter().map(String::as_str));
        listed.sort_unstable();
        let mut remainder = selection.into_remainder(listed.into_iter());
        items.extend(remainder.missing.iter().map(|path| labels.missing(path)));
        let ids = items.iter().map(|item| &item.id).chain(&keys);
        labels.count(ids.map(String::as_str), &mut remainder.left_out);
        // One that cannot be read stands for nobody knows how many images: it is told of whatever the sample is.
        let is_broken = |item: &Item| matches!(item.place, Place::Nowhere(_)) && Self::is_archive(&item.id);
        let usable = items.iter().filter(|item| !is_broken(item));
        let mut named: Vec<_> = usable.map(|item| (item.id.clone(), item.label.to_string())).collect();
        named.extend(keys.iter().map(|key| (key.clone(), labels.of(key, key).to_string())));
        let sample: HashSet<String> = sample(named, limit);
        items.retain(|item| sample.contains(&item.id) || is_broken(item));
        let keys: HashSet<String> = keys.into_iter().filter(|key| sample.contains(key)).collect();
        if !keys.is_empty() {
            let files = self.store.list("", &|entry| keys.contains(entry.key())).await?;
            items.extend(files.into_iter().map(|object| labels.file(object)));
        }
        Ok((items, remainder))
    }

    /// The images in archives, and a place holder for each archive that cannot be read to its end.
    async fn members(
        &self,
        archives: Vec<Object>,
        options: &Options,
        selection: &Selection,
        labels: &mut Labels<'_>,
        on_file: &OnFile<'_>,
    ) -> Result<Vec<Item>, Error> {
        let (wanted, tables) = (&Wanted::of(options), &tokio::sync::Mutex::new(()));
        let index = |archive: Object| async move {
            let (Some(etag), Some(form)) = (archive.etag.clone(), Form::of(&archive.key)) else {
                return Ok((archive, None));
            };
            // A page of a table may take much memory.
            let _alone = if form == Form::Parquet { Some(tables.lock().await) } else { None };
            let index = index_of(self.store, (&archive, &etag), form, wanted, self.indexes).await;
            match index {
                Err(Error::Store(pomona_store::Error::Changed { location, key })) => {
                    Err(Error::Changed { location, id: key })
                }
                index => Ok((archive, Some((Arc::from(etag), index?)))),
            }
        };
        let mut indexes = stream::iter(archives).map(index).buffered(ARCHIVES_AT_ONCE);
        let mut items = Vec::new();
        while let Some((archive, index)) = indexes.try_next().await? {
            // One that cannot be opened says so when it is read.
            let Some((etag, index)) = index else {
                items.push(labels.file(archive));
                continue;
            };
            let is_folder = self.only.is_none() && !index.is_of_table_without_images();
            let Index { members, passed, broken } = index;
            let key: Arc<str> = Arc::from(&*archive.key);
            for member in members {
                let id = self.id(&archive.key, &member.name);
                let is_kept = match Form::of(&archive.key) {
                    Some(Form::Parquet) => told_row(&id, on_file, selection),
                    _ => told(Entry::File(&id), on_file, selection) && !Self::is_archive(&id),
                };
                if is_kept {
                    items.push(labels.member(id, &key, &etag, member));
                }
            }
            selection.note_archive(passed, is_folder);
            items.extend(broken.map(|reject| labels.broken(archive, &etag, reject)));
        }
        Ok(items)
    }

    fn id(&self, archive: &str, member: &str) -> String {
        if self.only.is_some() { member.to_owned() } else { format!("{archive}/{member}") }
    }
}

type OnFile<'a> = dyn Fn() + Send + Sync + 'a;

/// Whether `entry` is an image of the dataset or an archive, having told of it.
fn told(entry: Entry<'_>, on_file: &OnFile<'_>, selection: &Selection) -> bool {
    if !matches!(entry, Entry::Folder(_)) {
        on_file();
    }
    selection.keeps(entry)
}

/// Whether the row `id` of a table is an image of the dataset, having told of it.
fn told_row(id: &str, on_file: &OnFile<'_>, selection: &Selection) -> bool {
    on_file();
    selection.keeps_row(id)
}

/// Sorts items by their ids. In a bucket there can be both an archive `a.zip` and an object `a.zip/1.jpg`, which is what
/// a member of the archive is called: it takes the member's place. How many were replaced.
fn one_of_each_id(items: &mut Vec<Item>) -> u64 {
    let all = items.len();
    items.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| (a.place != Place::File).cmp(&(b.place != Place::File))));
    items.dedup_by(|later, earlier| later.id == earlier.id);
    (all - items.len()) as u64
}

fn sorted_ids(items: &[Item]) -> Vec<&str> {
    let mut ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// Labels of items; equal ones share their text.
struct Labels<'a> {
    from: LabelFrom,
    given: Option<&'a HashMap<String, String>>,
    known: BTreeSet<Arc<str>>,
}

impl<'a> Labels<'a> {
    fn new(from: LabelFrom, given: Option<&'a HashMap<String, String>>) -> Self {
        Self { from, given, known: BTreeSet::new() }
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        let label = self.known.get(name).cloned().unwrap_or_else(|| Arc::from(name));
        self.known.insert(label.clone());
        label
    }

    /// The label of `id`: the one that is given, or the name of a folder in `path`.
    fn of(&mut self, id: &str, path: &str) -> Arc<str> {
        match self.given {
            Some(given) => self.shared(given.get(id).map_or("", String::as_str)),
            None => self.shared(self.from.label(path)),
        }
    }

    /// Counts images without a label that is given, and given labels without an image.
    fn count<'b>(&self, ids: impl Iterator<Item = &'b str>, left_out: &mut LeftOut) {
        let Some(given) = self.given else { return };
        let mut labelled = 0;
        for id in ids {
            match given.contains_key(id) {
                true => labelled += 1,
                false => left_out.unlabelled += 1,
            }
        }
        left_out.labels_of_nothing = (given.len() as u64).saturating_sub(labelled);
    }

    fn file(&mut self, object: Object) -> Item {
        let label = self.of(&object.key, &object.key);
        Item { id: object.key, size: object.size, version: object.etag, label, place: Place::File }
    }

    /// What lies beside the image is its label, unless others are given or none is wanted; otherwise folders are, of
    /// which its archive is none.
    fn member(&mut self, id: String, archive: &Arc<str>, etag: &Arc<str>, member: Indexed) -> Item {
        let Indexed { name, size, version, start, end, pages, path, label, unusable } = member;
        let label = match label.filter(|_| self.given.is_none() && self.from != LabelFrom::None) {
            Some(label) => self.shared(&label),
            None => {
                let folders = archive.rfind('/').map_or("", |slash| &archive[..=slash]);
                self.of(&id, &format!("{folders}{}", path.as_deref().unwrap_or(&name)))
            }
        };
        let place = match unusable {
            None => Place::Member(Member { archive: archive.clone(), version: etag.clone(), start, end, pages }),
            Some(reject) => Place::Nowhere(reject),
        };
        Item { id, size, version: Some(version), label, place }
    }

    fn broken(&mut self, archive: Object, etag: &Arc<str>, reject: Reject) -> Item {
        let label = self.of(&archive.key, &archive.key);
        let (id, size) = (archive.key, archive.size);
        Item { id, size, version: Some(etag.to_string()), label, place: Place::Nowhere(reject) }
    }

    fn missing(&mut self, path: &str) -> Item {
        let reject = Reject::new(RejectReason::Unreadable, "it is in the list, and not there");
        let label = self.of(path, path);
        Item { id: path.to_owned(), size: 0, version: None, label, place: Place::Nowhere(reject) }
    }
}

#[async_trait]
impl Source for Images<'_> {
    fn location(&self) -> &str {
        &self.location
    }

    async fn list(&self, options: &Options, on_file: &(dyn Fn() + Send + Sync)) -> Result<Listed, Error> {
        let (mut items, Remainder { files, mut left_out, odd_folders, .. }) = match options.limit {
            None => self.all(options, on_file).await?,
            Some(limit) => self.sample(options, limit, on_file).await?,
        };
        let replaced = one_of_each_id(&mut items);
        if replaced > 0 {
            left_out.in_archives.insert("members that files of the same path replace".to_owned(), replaced);
        }
        let labels = options.label_from;
        let rejected = |(path, reject): (String, Reject)| {
            let label = labels.label(&path).to_owned();
            Rejected { path, label, reject }
        };
        let odd_folders = odd_folders.into_iter().map(rejected).collect();
        Ok(Listed { items, files, left_out, odd_folders })
    }

    fn reader<'b>(&'b self, items: &[&Item]) -> Box<dyn Reader + 'b> {
        Box::new(ImageReader::new(self.store, items))
    }
}
