//! Finding the files below a folder.

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Folder;
use crate::Error;
use crate::key::TEMPORARY;

/// A file, or a link that leads nowhere.
#[derive(Debug)]
pub(super) struct Found {
    pub key: String,
    /// False where a name is not UTF-8: `key` then shows each strange byte as U+FFFD and two hexadecimal digits, and
    /// opens nothing.
    pub has_key: bool,
}

/// All files below `prefix`, sorted by key bytes, each key once.
///
/// Links to files and folders are followed, except those that lead back to a folder that they lie in. Pipes, sockets and devices
/// are not objects. A folder that cannot be read is an error: what it holds would otherwise be missing without a word.
pub(super) fn files(folder: &Folder, prefix: &str) -> Result<Vec<Found>, Error> {
    let mut walk = Walk { folder, above: Vec::new(), found: Vec::new() };
    walk.visit(&folder.root.join(prefix), Found { key: prefix.into(), has_key: true })?;
    let mut found = walk.found;
    // Only a name that is not UTF-8 can share another's key; the one that opens comes first and stays.
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(b.has_key.cmp(&a.has_key)));
    found.dedup_by(|later, earlier| later.key == earlier.key);
    Ok(found)
}

struct Walk<'a> {
    folder: &'a Folder,
    /// Device and inode of the folders that the present one lies in, itself included.
    above: Vec<(u64, u64)>,
    found: Vec<Found>,
}

impl Walk<'_> {
    /// Visits the folder at `path`, whose own key is empty or ends with a slash.
    fn visit(&mut self, path: &Path, own: Found) -> Result<(), Error> {
        let entries = fs::metadata(path).and_then(|metadata| Ok((metadata, fs::read_dir(path)?)));
        let (metadata, entries) = match entries {
            Ok(opened) => opened,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(self.folder.failed("list", &own.key, error)),
        };
        let identity = (metadata.dev(), metadata.ino());
        if self.above.contains(&identity) {
            tracing::warn!(folder = own.key, "skipped a link that leads back to a folder above it");
            return Ok(());
        }
        self.above.push(identity);
        for entry in entries {
            let entry = entry.map_err(|error| self.folder.failed("list", &own.key, error))?;
            self.enter(&entry, &own)?;
        }
        self.above.pop();
        Ok(())
    }

    fn enter(&mut self, entry: &DirEntry, parent: &Found) -> Result<(), Error> {
        let name = entry.file_name();
        if name.as_bytes().starts_with(TEMPORARY.as_bytes()) {
            return Ok(());
        }
        let mut own = Found {
            key: parent.key.clone() + &readable(name.as_bytes()),
            has_key: parent.has_key && name.to_str().is_some(),
        };
        match kind(entry) {
            Ok(kind) if kind.is_dir() => {
                own.key.push('/');
                self.visit(&entry.path(), own)?;
            }
            Ok(kind) if !kind.is_file() => {}
            // A link that cannot be followed is an object that cannot be read.
            Ok(_) | Err(_) => self.found.push(own),
        }
        Ok(())
    }
}

/// What the entry is, or what it links to.
fn kind(entry: &DirEntry) -> io::Result<fs::FileType> {
    let kind = entry.file_type()?;
    if kind.is_symlink() { Ok(fs::metadata(entry.path())?.file_type()) } else { Ok(kind) }
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
