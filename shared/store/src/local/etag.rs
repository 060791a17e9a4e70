//! The etag of a file: the SHA-256 of its content, remembered by what the file system says of it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::hash::{FileIdentity, Hash, hash, hex};
use super::memo::Memo;
use super::walk::Found;
use crate::Object;

/// The object that a file is, and what to remember of it.
pub(super) fn describe(root: &Path, file: Found, memo: &Memo) -> (Object, Option<(FileIdentity, Hash)>) {
    let Found { key, has_key, .. } = file;
    let unreadable = |key, size| (Object { key, size, etag: None }, None);
    if !has_key {
        return unreadable(key, 0);
    }
    let path = root.join(&key);
    let Ok(metadata) = fs::metadata(&path) else {
        return unreadable(key, 0);
    };
    let (size, identity) = (metadata.size(), FileIdentity::of(&metadata));
    if let Some(hash) = memo.get(&identity) {
        return (Object { key, size, etag: Some(hex(&hash)) }, Some((identity, hash)));
    }
    match hash_file(&path) {
        Ok((size, hash, lasting)) => {
            (Object { key, size, etag: Some(hex(&hash)) }, lasting.map(|identity| (identity, hash)))
        }
        Err(error) => {
            tracing::debug!(%error, key, "listed without an etag");
            unreadable(key, size)
        }
    }
}

/// Opens a file so that no read waits for what may never come: there are files, in /proc for instance, that look like
/// any other and block. Where a file has nothing to give at once, reading it is an error.
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// The etag of an open file, and the identity under which it can be remembered.
pub(super) fn of_file(file: &mut File, memo: &Memo) -> io::Result<(String, Option<FileIdentity>)> {
    let identity = FileIdentity::of(&file.metadata()?);
    if let Some(hash) = memo.get(&identity) {
        return Ok((hex(&hash), Some(identity)));
    }
    let (_, hash, lasting) = hash_open(file)?;
    Ok((hex(&hash), lasting))
}

/// Size, hash, and the identity under which the hash can be remembered.
fn hash_file(path: &Path) -> io::Result<(u64, Hash, Option<FileIdentity>)> {
    hash_open(&mut open(path)?)
}

fn hash_open(file: &mut File) -> io::Result<(u64, Hash, Option<FileIdentity>)> {
    let before = file.metadata()?;
    let settled = is_settled(&before, SystemTime::now());
    let (size, hash) = hash(file)?;
    let unchanged = FileIdentity::of(&before) == FileIdentity::of(&file.metadata()?);
    Ok((size, hash, (settled && unchanged).then(|| FileIdentity::of(&before))))
}

/// Whether the file's times lie so far back that any later change gives it other times.
///
/// File systems count time in steps of up to two seconds (FAT), so a file that changed just now can change again
/// without a trace; git's index calls such entries racy.
fn is_settled(file: &Metadata, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    now.saturating_sub(file.mtime().max(file.ctime())) > 2
}
