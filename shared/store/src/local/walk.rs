//! Finding the files below a folder.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Folder;
use crate::key::TEMPORARY;
use crate::{Entry, Error};

/// What lies in a folder.
#[derive(Debug)]
pub(super) struct Found {
    /// Ends with a slash where it is a folder.
    pub key: String,
    /// False where a name is not UTF-8: `key` then shows each strange byte as U+FFFD and two hexadecimal digits, and
    /// opens nothing.
    pub has_key: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Unreachable,
    Special,
    Listed,
}

impl Found {
    /// A file that is known to be there.
    pub fn file(key: String) -> Self {
        Self { key, has_key: true, kind: Kind::File }
    }

    pub fn entry(&self) -> Entry<'_> {
        let key = self.key.as_str();
        match self.kind {
            Kind::File => Entry::File(key),
            Kind::Folder => Entry::Folder(key),
            Kind::Unreachable => Entry::Unreachable(key),
            Kind::Special => Entry::Special(key),
            Kind::Listed => Entry::Listed(key),
        }
    }

    /// Whether it can be an object; one that cannot be read is one, too.
    pub fn is_object(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Unreachable)
    }

    fn of_kind(mut self, kind: Kind) -> Self {
        if matches!(kind, Kind::Folder | Kind::Listed) {
            self.key.push('/');
        }
        Self { kind, ..self }
    }
}

/// All that lies below `prefix`, sorted by key bytes, each key once.
///
/// Links are followed. A link to a folder is not where that folder is one that it lies in; and where a linked folder
/// holds links in turn, these lead only to folders that are not listed yet, for else folders that link to one another
/// would be listed by every way from one to the next. A folder that cannot be read is an error: what it holds would
/// otherwise be missing without a word.
pub(super) fn all(folder: &Folder, prefix: &str) -> Result<Vec<Found>, Error> {
    let mut walk = Walk { folder, above: Vec::new(), seen: HashSet::new(), links: Vec::new(), found: Vec::new() };
    walk.visit(
        &folder.root.join(prefix),
        Found { key: prefix.into(), has_key: true, kind: Kind::Folder },
        Links::Later,
    )?;
    let own_folders = walk.seen.clone();
    for link in std::mem::take(&mut walk.links) {
        walk.seen.clone_from(&own_folders);
        walk.above = link.above;
        walk.visit(&link.path, link.own, Links::Now)?;
    }
    let mut found = walk.found;
    // Only a name that is not UTF-8 can share another's key; the one that opens comes first and stays.
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(b.has_key.cmp(&a.has_key)));
    found.dedup_by(|later, earlier| later.key == earlier.key);
    Ok(found)
}

/// Device and inode of a folder.
type FolderId = (u64, u64);

/// What to do with a link to a folder.
#[derive(Clone, Copy, PartialEq)]
enum Links {
    /// Follow it once all folders that are no links are known.
    Later,
    /// Follow it if it leads to a folder that was not seen.
    Now,
}

/// A link to a folder that is still to be followed.
struct Link {
    path: PathBuf,
    own: Found,
    above: Vec<FolderId>,
}

struct Walk<'a> {
    folder: &'a Folder,
    /// The folders that the present one lies in, itself included.
    above: Vec<FolderId>,
    seen: HashSet<FolderId>,
    links: Vec<Link>,
    found: Vec<Found>,
}

impl Walk<'_> {
    /// Visits the folder at `path`, whose own key is empty or ends with a slash.
    fn visit(&mut self, path: &Path, own: Found, links: Links) -> Result<(), Error> {
        let entries = fs::metadata(path).and_then(|metadata| Ok((metadata, sorted_entries(path)?)));
        let (metadata, entries) = match entries {
            Ok(opened) => opened,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                self.found.push(Found { kind: Kind::Unreachable, ..own });
                return Ok(());
            }
            Err(error) => return Err(self.folder.failed("list", &own.key, error)),
        };
        let id = (metadata.dev(), metadata.ino());
        if self.above.contains(&id) {
            self.found.push(Found { kind: Kind::Listed, ..own });
            return Ok(());
        }
        self.seen.insert(id);
        self.above.push(id);
        for entry in &entries {
            self.enter(entry, &own, links)?;
        }
        self.above.pop();
        if !own.key.is_empty() {
            self.found.push(own);
        }
        Ok(())
    }

    fn enter(&mut self, entry: &DirEntry, parent: &Found, links: Links) -> Result<(), Error> {
        let name = entry.file_name();
        if name.as_bytes().starts_with(TEMPORARY.as_bytes()) {
            return Ok(());
        }
        let own = Found {
            key: parent.key.clone() + &readable(name.as_bytes()),
            has_key: parent.has_key && name.to_str().is_some(),
            kind: Kind::File,
        };
        match target(entry) {
            Ok(Target::Linked(to)) if to.is_dir() => {
                return self.enter_link(entry.path(), own.of_kind(Kind::Folder), (to.dev(), to.ino()), links);
            }
            Ok(Target::Own(kind)) if kind.is_dir() => {
                return self.visit(&entry.path(), own.of_kind(Kind::Folder), links);
            }
            Ok(target) if target.is_file() => self.found.push(own),
            Ok(_) => self.found.push(own.of_kind(Kind::Special)),
            Err(_) => self.found.push(own.of_kind(Kind::Unreachable)),
        }
        Ok(())
    }

    fn enter_link(&mut self, path: PathBuf, own: Found, id: FolderId, links: Links) -> Result<(), Error> {
        match links {
            Links::Later => self.links.push(Link { path, own, above: self.above.clone() }),
            Links::Now if self.seen.contains(&id) => self.found.push(Found { kind: Kind::Listed, ..own }),
            Links::Now => return self.visit(&path, own, links),
        }
        Ok(())
    }
}

/// In the order of their names, because of several links to a folder the first is followed.
fn sorted_entries(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by_key(DirEntry::file_name);
    Ok(entries)
}

enum Target {
    Own(fs::FileType),
    Linked(fs::Metadata),
}

impl Target {
    fn is_file(&self) -> bool {
        match self {
            Self::Own(kind) => kind.is_file(),
            Self::Linked(to) => to.is_file(),
        }
    }
}

/// What an entry is, or what it links to.
fn target(entry: &DirEntry) -> io::Result<Target> {
    let kind = entry.file_type()?;
    if !kind.is_symlink() {
        return Ok(Target::Own(kind));
    }
    fs::metadata(entry.path()).map(Target::Linked)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn readable(name: &[u8]) -> String {
    let mut readable = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        readable.push_str(chunk.valid());
        readable.extend(chunk.invalid().iter().map(|byte| format!("\u{FFFD}{byte:02X}")));
    }
    readable
}
