//! How images are read: files each for themselves, members of archives by stretches of several.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pomona_store::{Error as StoreError, Store};
use pomona_terms::{Reject, RejectReason};
use tokio::sync::{Mutex, MutexGuard};

use crate::archive::{FETCH, Form, NotUnpacked, Packing, Pages, Unpacked, zip_member};
use crate::error::Error;
use crate::item::{Item, Member, Place};
use crate::selection::BROKEN_LINK;
use crate::source::Reader;

/// Bytes between two members that are read along with them.
const GAP: u64 = 256 << 10;

/// Reads the images of one shard.
#[derive(Debug)]
pub(crate) struct ImageReader<'a> {
    store: &'a dyn Store,
    /// The stretch of each member that is read by one: its archive and where it begins.
    stretch_of: HashMap<(Arc<str>, u64), usize>,
    stretches: Vec<Stretch>,
    packed: HashMap<Arc<str>, Mutex<Packed>>,
    /// What pages of tables hold, by the table and where they begin and end.
    pages: HashMap<(Arc<str>, u64, u64), Mutex<Rows>>,
}

/// The rows in pages of a table, until all its members were read.
#[derive(Debug, Default)]
struct Rows {
    /// Digests and lengths of those that are wanted.
    wanted: HashMap<String, u64>,
    found: Option<Result<HashMap<String, Bytes>, Reject>>,
    members_left: usize,
}

impl Rows {
    fn add(&mut self, item: &Item) {
        self.wanted.extend(item.version.clone().map(|version| (version, item.size)));
        self.members_left += 1;
    }
}

/// A compressed archive, until all its members were read.
#[derive(Debug)]
struct Packed {
    unpacked: Unpacked,
    packing: Packing,
    members_left: usize,
}

/// Members of an archive that are read by one request.
#[derive(Debug)]
struct Stretch {
    archive: Arc<str>,
    version: Arc<str>,
    start: u64,
    end: u64,
    content: Mutex<Content>,
}

/// What is held of a stretch, until all its members were read.
#[derive(Debug)]
struct Content {
    bytes: Option<Bytes>,
    members_left: usize,
}

impl<'a> ImageReader<'a> {
    /// For `items`, which are read in any order, and soonest in that of their places.
    pub(crate) fn new(store: &'a dyn Store, items: &[&Item]) -> Self {
        let mut members: Vec<(&Member, &Item)> =
            items.iter().filter_map(|item| Some((item.place.member()?, *item))).collect();
        members.sort_unstable_by(|(a, _), (b, _)| (&a.archive, a.start).cmp(&(&b.archive, b.start)));
        let mut reader = Self {
            store,
            stretch_of: HashMap::new(),
            stretches: Vec::new(),
            packed: HashMap::new(),
            pages: HashMap::new(),
        };
        for (member, item) in members {
            match (packing(&member.archive), member.pages) {
                (Some(packing), _) => {
                    let packed = || Mutex::new(Packed { unpacked: Unpacked::new(packing), packing, members_left: 0 });
                    reader.packed.entry(member.archive.clone()).or_insert_with(packed).get_mut().members_left += 1;
                }
                (None, Some(_)) => reader.add_to_pages(member, item),
                (None, None) => reader.add_to_stretch(member),
            }
        }
        reader
    }

    /// Pages are read and unpacked once, whatever is wanted of them.
    fn add_to_pages(&mut self, member: &Member, item: &Item) {
        let rows = self.pages.entry(place_of_pages(member)).or_default().get_mut();
        let is_first = rows.members_left == 0;
        rows.add(item);
        if is_first {
            self.add_to_stretch(member);
        }
    }

    fn add_to_stretch(&mut self, member: &Member) {
        let fits = |last: &Stretch| {
            let is_near = member.end <= last.start + FETCH && member.start <= last.end + GAP;
            // A page of a table may be a large one, and hold many.
            let is_within = member.start == last.start || member.end <= last.end;
            last.archive == member.archive && (is_near || is_within)
        };
        match self.stretches.last_mut().filter(|last| fits(last)) {
            Some(last) => {
                last.end = last.end.max(member.end);
                last.content.get_mut().members_left += 1;
            }
            None => self.stretches.push(Stretch {
                archive: member.archive.clone(),
                version: member.version.clone(),
                start: member.start,
                end: member.end,
                content: Mutex::new(Content { bytes: None, members_left: 1 }),
            }),
        }
        self.stretch_of.insert((member.archive.clone(), member.start), self.stretches.len() - 1);
    }

    /// The bytes of files, each for itself; those that were opened when they were listed together.
    async fn files(&self, items: &[&Item]) -> Result<Vec<Result<Bytes, Reject>>, Error> {
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

    async fn member(&self, item: &Item, member: &Member) -> Result<Result<Bytes, Reject>, Error> {
        let bytes = match self.unchanged(item, self.in_stretch(member).await)? {
            Ok(bytes) => bytes,
            Err(reject) => return Ok(Err(reject)),
        };
        Ok(content(item, member, &bytes))
    }

    /// The row of a table.
    async fn row(&self, item: &Item, member: &Member, pages: Pages) -> Result<Result<Bytes, Reject>, Error> {
        let mut alone = Rows::default();
        alone.add(item);
        let alone = Mutex::new(alone);
        let mut rows = self.pages.get(&place_of_pages(member)).unwrap_or(&alone).lock().await;
        let found = match rows.found.take() {
            Some(found) => found,
            None => match self.unchanged(item, self.in_stretch(member).await)? {
                Ok(bytes) => unpacked(pages, bytes, rows.wanted.clone()).await,
                Err(reject) => Err(reject),
            },
        };
        let row = match &found {
            Ok(found) => item.version.as_ref().and_then(|version| found.get(version).cloned()).ok_or_else(|| {
                Reject::new(RejectReason::Unreadable, "damaged in its table: its bytes are not those listed")
            }),
            Err(reject) => Err(reject.clone()),
        };
        rows.members_left = rows.members_left.saturating_sub(1);
        rows.found = (rows.members_left > 0).then_some(found);
        Ok(row)
    }

    /// Where the member lies, of its stretch.
    async fn in_stretch(&self, member: &Member) -> Result<Bytes, StoreError> {
        let Some(&number) = self.stretch_of.get(&(member.archive.clone(), member.start)) else {
            return self.store.get_range(&member.archive, &member.version, member.start..member.end).await;
        };
        let stretch = &self.stretches[number];
        let mut content = stretch.content.lock().await;
        let bytes = match content.bytes.take() {
            Some(bytes) => bytes,
            None => self.store.get_range(&stretch.archive, &stretch.version, stretch.start..stretch.end).await?,
        };
        content.members_left = content.members_left.saturating_sub(1);
        let at = |offset: u64| ((offset - stretch.start) as usize).min(bytes.len());
        let slice = bytes.slice(at(member.start)..at(member.end));
        content.bytes = (content.members_left > 0).then_some(bytes);
        Ok(slice)
    }

    async fn unpack(&self, item: &Item, member: &Member, packed: &mut Packed) -> Result<Result<Bytes, Reject>, Error> {
        let range = member.start..member.end;
        let read = packed.unpacked.range(self.store, (&member.archive, &member.version), range).await;
        packed.members_left = packed.members_left.saturating_sub(1);
        if packed.members_left == 0 {
            packed.unpacked = Unpacked::new(packed.packing);
        }
        match read {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(NotUnpacked::Store(error)) => self.unchanged(item, Err(error)),
            Err(NotUnpacked::Broken(error)) => Ok(Err(Reject::corrupt(format!("its archive: {error}")))),
        }
    }

    /// What was read, if the image is as it was when it was listed.
    fn unchanged(&self, item: &Item, read: Result<Bytes, StoreError>) -> Result<Result<Bytes, Reject>, Error> {
        let was_opened = item.version.is_some();
        match read {
            Ok(bytes) if was_opened => Ok(Ok(bytes)),
            Err(StoreError::Changed { .. } | StoreError::NotFound { .. }) if was_opened => Err(self.changed(item)),
            Ok(_) => Err(self.changed(item)),
            Err(error) if !error.is_about_object() => Err(error.into()),
            Err(error) => Ok(Err(unreadable(item, &error))),
        }
    }

    fn changed(&self, item: &Item) -> Error {
        Error::Changed { location: self.store.location().to_owned(), id: item.id.clone() }
    }
}

#[async_trait]
impl Reader for ImageReader<'_> {
    async fn read(&self, items: &[&Item]) -> Result<Vec<Result<Bytes, Reject>>, Error> {
        let files: Vec<&Item> = items.iter().copied().filter(|item| item.place == Place::File).collect();
        let mut files = if files.is_empty() { Vec::new() } else { self.files(&files).await? }.into_iter();
        let mut all = Vec::with_capacity(items.len());
        // Held from one of the items to the next: who reads on is not sent back by who reads further behind.
        let mut held: Option<(&Arc<str>, MutexGuard<'_, Packed>)> = None;
        for item in items {
            match &item.place {
                Place::File => all.extend(files.next()),
                Place::Member(member @ Member { pages: Some(pages), .. }) => {
                    all.push(self.row(item, member, *pages).await?);
                }
                Place::Member(member) => match self.packed.get(&member.archive) {
                    None => all.push(self.member(item, member).await?),
                    Some(packed) => {
                        if held.as_ref().is_none_or(|(archive, _)| **archive != member.archive) {
                            held = None;
                            held = held.or(Some((&member.archive, packed.lock().await)));
                        }
                        if let Some((_, packed)) = &mut held {
                            all.push(self.unpack(item, member, packed).await?);
                        }
                    }
                },
                Place::Nowhere(reject) => all.push(Err(reject.clone())),
            }
        }
        Ok(all)
    }
}

/// How the archive is compressed as a whole, if it is.
fn packing(archive: &str) -> Option<Packing> {
    match Form::of(archive) {
        Some(Form::Tar(packing)) => Some(packing).filter(|packing| *packing != Packing::None),
        _ => None,
    }
}

fn place_of_pages(member: &Member) -> (Arc<str>, u64, u64) {
    (member.archive.clone(), member.start, member.end)
}

/// What is wanted of the pages that `bytes` are.
async fn unpacked(pages: Pages, bytes: Bytes, wanted: HashMap<String, u64>) -> Result<HashMap<String, Bytes>, Reject> {
    let damaged =
        |problem: &dyn Display| Reject::new(RejectReason::Unreadable, format!("damaged in its table: {problem}"));
    match tokio::task::spawn_blocking(move || pages.find(&bytes, &wanted)).await {
        Ok(found) => found.map_err(|error| damaged(&error)),
        Err(_) => Err(damaged(&"its page cannot be read")),
    }
}

/// The content of a member, of the bytes where it lies.
fn content(item: &Item, member: &Member, bytes: &Bytes) -> Result<Bytes, Reject> {
    match Form::of(&member.archive) {
        Some(Form::Zip) => zip_member(bytes, item.size, item.version.as_deref().unwrap_or_default()),
        _ if (bytes.len() as u64) < item.size => Err(Reject::truncated("its archive ends within it")),
        _ => Ok(bytes.clone()),
    }
}

fn unreadable(item: &Item, error: &StoreError) -> Reject {
    let detail = match error {
        // In a folder's listing only names that are not UTF-8 show this character.
        _ if item.place == Place::File && item.id.contains(char::REPLACEMENT_CHARACTER) => {
            "its name is not UTF-8; rename it"
        }
        StoreError::Denied { .. } => "no permission to read it",
        StoreError::Archived { .. } => "it is archived; restore it, or leave it out with `exclude`",
        StoreError::NotFound { .. } => BROKEN_LINK,
        StoreError::Invalid { .. } => "its name cannot be used as a key",
        _ => "the system could not read it",
    };
    Reject { reason: RejectReason::Unreadable, detail: detail.to_owned() }
}
