//! What a file's content is, and what the file system says of it.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use sha2::digest::Output;
use sha2::{Digest, Sha256};

/// A content's SHA-256.
pub(super) type Hash = [u8; 32];

/// What the file system says of a file: while this stays the same, so does the content.
///
/// Device, inode, size, modification time and status-change time (seconds and nanoseconds). The status-change
/// time is there because a program can set the modification time back after it changed the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileIdentity(pub [u64; 7]);

impl FileIdentity {
    pub(super) fn of(file: &Metadata) -> Self {
        let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()].map(i64::cast_unsigned);
        Self([file.dev(), file.ino(), file.size(), times[0], times[1], times[2], times[3]])
    }
}

/// The etag of what `reader` gives.
pub(super) fn of_reader(reader: &mut impl Read) -> io::Result<String> {
    hash(reader).map(|(_, hash)| hex(&hash))
}

pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(super) fn hash(reader: &mut impl Read) -> io::Result<(u64, Hash)> {
    let mut hasher = Sha256::new();
    let size = io::copy(reader, &mut hasher)?;
    Ok((size, hasher.finalize().into()))
}

pub(super) fn hex(hash: &Hash) -> String {
    format!("{:x}", Output::<Sha256>::from(*hash))
}
