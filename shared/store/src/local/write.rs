//! Writing into a folder.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile};

use super::{Folder, hash};
use crate::Error;
use crate::key::TEMPORARY;

/// Temporary files older than this belong to writes that were killed.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn put(folder: &Folder, key: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.path(key)?;
    let failed = |error| failed_write(folder, key, &path, error);
    let temporary = write_temporary(folder, &path, bytes).map_err(failed)?;
    let _current = lock_current(&path).map_err(failed)?;
    temporary.persist(&path).map_err(|error| failed(error.error))?;
    sync_parents(folder, &path).map_err(failed)
}

pub(super) fn create(folder: &Folder, key: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.path(key)?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists if is_no_file(&path) => {
            Error::invalid(key, format!("what has that name in {} is no file; move it away", folder.location))
        }
        io::ErrorKind::AlreadyExists => Error::already_exists(&folder.location, key),
        _ => failed_write(folder, key, &path, error),
    };
    let temporary = write_temporary(folder, &path, bytes).map_err(|error| failed_write(folder, key, &path, error))?;
    temporary.persist_noclobber(&path).map_err(|error| failed(error.error))?;
    sync_parents(folder, &path).map_err(failed)
}

pub(super) fn replace(folder: &Folder, key: &str, bytes: &[u8], etag: &str) -> Result<(), Error> {
    let path = folder.path(key)?;
    let failed = |error| failed_write(folder, key, &path, error);
    let temporary = write_temporary(folder, &path, bytes).map_err(failed)?;
    let Some(mut current) = lock_current(&path).map_err(failed)? else {
        return Err(Error::changed(&folder.location, key));
    };
    let current_etag = hash::of_reader(&mut current).map_err(failed)?;
    if current_etag != etag {
        return Err(Error::changed(&folder.location, key));
    }
    temporary.persist(&path).map_err(|error| failed(error.error))?;
    sync_parents(folder, &path).map_err(failed)
}

/// Whether what has that name is something else, such as a link that leads nowhere.
fn is_no_file(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(there) => !there.is_file(),
        Err(_) => fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()),
    }
}

/// Copies by a second name for the same file where the file system can, and by content otherwise.
///
/// No write edits a file in place, so the two names never change each other's content.
pub(super) fn copy(folder: &Folder, from: &str, to: &str) -> Result<(), Error> {
    drop(folder.open_object(from)?);
    let (source, path) = (folder.path(from)?, folder.path(to)?);
    let failed = |error| failed_write(folder, to, &path, error);
    let Some(link) = link_temporary(folder, &source, &path).map_err(failed)? else {
        return put(folder, to, &folder.read(from)?.bytes);
    };
    let _current = lock_current(&path).map_err(failed)?;
    let name = link.path().to_owned();
    link.persist(&path).map_err(|error| failed(error.error))?;
    remove(&name).map_err(failed)?;
    sync_parents(folder, &path).map_err(failed)
}

/// Deletes what has this etag, if one is named.
pub(super) fn delete(folder: &Folder, key: &str, etag: Option<&str>) -> Result<(), Error> {
    let path = folder.path(key)?;
    if path.is_dir() {
        return Ok(());
    }
    match delete_current(folder, &path, etag) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::changed(&folder.location, key)),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(()),
        Err(error) => Err(folder.failed("delete", key, error)),
    }
}

/// False where it has another etag than the one that is named.
fn delete_current(folder: &Folder, path: &Path, etag: Option<&str>) -> io::Result<bool> {
    let mut current = lock_current(path)?;
    if let (Some(current), Some(etag)) = (&mut current, etag)
        && hash::of_reader(current)? != etag
    {
        return Ok(false);
    }
    fs::remove_file(path)?;
    sync_parents(folder, path)?;
    Ok(true)
}

/// Removes all temporary files below `path`, and has the names in its folders be what is on the disk: of a removal that
/// a kill has parted from its sync, too.
pub(super) fn settle(folder: &Folder, path: &Path) -> Result<(), Error> {
    let failed = |error| folder.failed("settle", &path.display().to_string(), error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            settle(folder, &entry.path())?;
        } else if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(failed)?,
            }
        }
    }
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Removes temporary files that nobody can be writing any more, as far as rights allow; what stays does no harm.
pub(super) fn remove_abandoned(folder: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            remove_abandoned(&entry.path(), now);
        } else if is_abandoned(&entry, now)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::debug!(%error, path = ?entry.path(), "an abandoned temporary file stays");
        }
    }
}

fn is_abandoned(entry: &fs::DirEntry, now: SystemTime) -> bool {
    // The status-change time: a temporary link has the modification time of what it links to.
    let age = |file: fs::Metadata| {
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(file.ctime()).unwrap_or(0));
        now.duration_since(changed).unwrap_or_default()
    };
    entry.file_name().to_string_lossy().starts_with(TEMPORARY)
        && entry.metadata().is_ok_and(|file| age(file) > ABANDONED_AFTER)
}

/// The bytes in a temporary file beside `path`, on the disk.
fn write_temporary(folder: &Folder, path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut temporary = temporary_name().tempfile_in(make_parent(folder, path)?)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// A second, temporary name for `source` beside `path`; `None` where it cannot have one.
fn link_temporary(folder: &Folder, source: &Path, path: &Path) -> io::Result<Option<NamedTempFile<()>>> {
    // A link to a link would share that one's fate, and its target may be edited by others.
    if fs::symlink_metadata(source)?.is_symlink() {
        return Ok(None);
    }
    match temporary_name().make_in(make_parent(folder, path)?, |name| fs::hard_link(source, name)) {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(error) => {
            tracing::debug!(%error, ?source, "copied by content");
            Ok(None)
        }
    }
}

fn temporary_name() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY).permissions(Permissions::from_mode(0o666));
    builder
}

/// Makes the folders that a file is to lie in, but not the store's own: where that is gone, all that was written is, and
/// what is made anew would say of half of it that it is whole.
fn make_parent(folder: &Folder, path: &Path) -> io::Result<PathBuf> {
    let parent = path.parent().unwrap_or(path);
    if !parent.is_dir() {
        let below: Vec<&Path> = parent.ancestors().take_while(|above| *above != folder.root).collect();
        for above in below.into_iter().rev() {
            match fs::create_dir(above) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
    }
    Ok(parent.to_owned())
}

/// The file that `path` now leads to, locked against others who would overwrite or delete it.
fn lock_current(path: &Path) -> io::Result<Option<File>> {
    loop {
        // Opened for writing because NFS gives exclusive locks only to writers.
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.lock()?;
        let (locked, current) = (file.metadata()?, fs::metadata(path));
        if current.is_ok_and(|current| (current.dev(), current.ino()) == (locked.dev(), locked.ino())) {
            return Ok(Some(file));
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes a rename last: without this, a power cut could keep a later rename and lose an earlier one. So it does the names
/// of the folders that the file lies in, once each, also of those that were there: whoever made one may have been killed
/// before it was on the disk.
fn sync_parents(folder: &Folder, path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent)?.sync_all()?;
    for above in parent.ancestors().take_while(|above| *above != folder.root) {
        if !folder.lock_durable().contains(above) {
            File::open(above.parent().unwrap_or(above))?.sync_all()?;
            folder.lock_durable().insert(above.to_owned());
        }
    }
    Ok(())
}

/// Makes the names of a store's folder and of those above it last, as far as rights allow.
pub(super) fn sync_names_above(root: &Path) {
    for above in root.ancestors().skip(1) {
        if let Err(error) = File::open(above).and_then(|above| above.sync_all()) {
            tracing::debug!(%error, ?above, "the names in it may not outlast a power cut");
            return;
        }
    }
}

fn failed_write(folder: &Folder, key: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind::*;
    match error.kind() {
        IsADirectory | AlreadyExists | NotADirectory => {
            let reason =
                if path.is_dir() { "there is a folder of that name" } else { "a part of it is a file, not a folder" };
            Error::invalid(key, format!("{reason} in {}", folder.location))
        }
        NotFound if !folder.root.exists() => {
            Error::location(&folder.location, "the folder is gone: somebody moved or deleted it; start again")
        }
        _ => folder.failed("write", key, error),
    }
}
