//! What a zip holds, as the directory at its end tells, and how a member is read.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use pomona_store::{Error as StoreError, Object, Store};
use pomona_terms::{Reject, RejectReason};
use zip::read::{ZipArchive, ZipReadOptions, read_zipfile_from_stream_with_options};
use zip::result::ZipError;
use zip::{CompressionMethod, read::ZipFileEntry};

use super::contents::{Index, Indexed, REPLACED};
use super::names;

/// Bytes of the end that are read first: the directory of some 10,000 members.
const TAIL: u64 = 1 << 20;

/// The largest directory that is read.
const MOST_DIRECTORY: u64 = 1 << 30;

/// Before a member's bytes stands its header, of 30 bytes, its name and what else is said of it, of 65,535 each at most;
/// behind them another 24 may stand.
const MOST_BESIDE: u64 = 30 + 2 * 65_535 + 24;

/// No file is larger.
const MOST_SIZE: u64 = i64::MAX as u64;

/// What deflate makes of so many bytes at most, and more.
fn most_packed(size: u64) -> u64 {
    size.saturating_add(size / 8).saturating_add(1 << 10)
}

/// Reads the directory of the archive `object`.
///
/// # Errors
/// Those of the store.
pub(super) async fn index(store: &dyn Store, object: &Object, etag: &str) -> Result<Index, StoreError> {
    let mut start = object.size.saturating_sub(TAIL);
    loop {
        let bytes = store.get_range(&object.key, etag, start..object.size).await?;
        let tail = Tail { start, bytes, position: 0, wanted: None };
        let outcome = tokio::task::spawn_blocking(move || members(tail)).await;
        match outcome.unwrap_or_else(|_| Directory::Broken("it cannot be read".to_owned())) {
            Directory::Members(index) => return Ok(index),
            Directory::Begins(before) if before < start && object.size - before <= MOST_DIRECTORY => start = before,
            Directory::Begins(_) => return Ok(broken("its directory is not to be found")),
            Directory::Broken(problem) => return Ok(broken(&problem)),
        }
    }
}

fn broken(problem: &str) -> Index {
    let detail = format!("the archive is broken, and none of its members is used: {problem}");
    Index { broken: Some(Reject::corrupt(detail)), ..Index::default() }
}

/// What came of reading the directory.
enum Directory {
    Members(Index),
    /// It begins further in front.
    Begins(u64),
    Broken(String),
}

fn members(mut tail: Tail) -> Directory {
    let archive = match ZipArchive::new(&mut tail) {
        Ok(archive) => archive,
        Err(error) => {
            return tail.wanted.map_or_else(|| Directory::Broken(error.to_string()), Directory::Begins);
        }
    };
    let entries: Vec<ZipFileEntry<'_>> = match (0..archive.len()).map(|number| archive.by_index_data(number)).collect()
    {
        Ok(entries) => entries,
        Err(error) => return Directory::Broken(error.to_string()),
    };
    let mut starts: Vec<u64> = entries.iter().map(ZipFileEntry::header_start).collect();
    starts.push(archive.central_directory_start());
    starts.sort_unstable();
    let mut index = Index::default();
    for entry in entries.iter().filter(|entry| !entry.is_dir()) {
        match entry.is_symlink() {
            true => *index.passed.entry("links".to_owned()).or_default() += 1,
            false => index.members.push(member_of(entry, &starts)),
        }
    }
    let start = archive.central_directory_start();
    let kept = entries.iter().filter(|entry| !entry.is_dir()).count() as u64;
    drop(entries);
    drop(archive);
    let replaced = files_in(tail.from(start)).saturating_sub(kept);
    if replaced > 0 {
        index.passed.insert(REPLACED.to_owned(), replaced);
    }
    Directory::Members(index)
}

/// The entries of the directory that `bytes` begin with (APPNOTE.TXT, 4.3.12) but folders: of equal names all, of which
/// the archive as it is read has the last.
fn files_in(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(header) = bytes.get(..46).filter(|header| header.starts_with(b"PK\x01\x02")) {
        let lengths = [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([header[at], header[at + 1]])));
        let is_folder = bytes[46..].get(..lengths[0]).is_some_and(|name| name.ends_with(b"/") || name.ends_with(b"\\"));
        count += u64::from(!is_folder);
        bytes = bytes.get(46 + lengths.iter().sum::<usize>()..).unwrap_or_default();
    }
    count
}

/// The member of a directory's entry; it ends at the next one, or where its bytes must have ended.
fn member_of(entry: &ZipFileEntry<'_>, starts: &[u64]) -> Indexed {
    let name = entry.name().map_or_else(|_| entry.name_raw().to_vec(), |name| name.into_owned().into_bytes());
    let (name, misnamed) = names::name(&name);
    let start = entry.header_start();
    let next = starts[starts.partition_point(|other| *other <= start).min(starts.len() - 1)];
    let end = next.max(start).min(start.saturating_add(entry.compressed_size()).saturating_add(MOST_BESIDE));
    let unusable = match entry.compression() {
        _ if entry.encrypted() => Some(Reject::unsupported("encrypted in its archive")),
        _ if entry.size() > MOST_SIZE || entry.compressed_size() > most_packed(entry.size()) => {
            Some(Reject::unsupported("its archive gives it an impossible size"))
        }
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        method => Some(Reject::unsupported(format!("packed by {method} in its archive; pack it with deflate"))),
    };
    let version = version(entry.crc32());
    let (size, unusable) = (entry.size(), misnamed.or(unusable));
    Indexed { name, size, version, start, end, pages: None, path: None, label: None, unusable }
}

/// A member's version: the checksum of its bytes that the directory has.
fn version(crc32: u32) -> String {
    format!("crc32:{crc32:08x}")
}

/// Whether the member whose header `bytes` begin with is stored as it is.
fn is_stored(bytes: &[u8]) -> bool {
    bytes.get(8..10) == Some(&[0, 0])
}

/// The content of a member of `size` bytes and this version, of the `bytes` where it lies.
///
/// # Errors
/// [`RejectReason::Unreadable`]: the version is what the directory says of the bytes, so that what they really are must
/// not be remembered for it.
pub(crate) fn member(bytes: &Bytes, size: u64, version: &str) -> Result<Bytes, Reject> {
    let crc32 = version.strip_prefix("crc32:").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let corrupt = |problem: &dyn std::fmt::Display| {
        Reject::new(RejectReason::Unreadable, format!("damaged in its archive: {problem}"))
    };
    let crc32 = crc32.ok_or_else(|| corrupt(&"its checksum is unknown"))?;
    // Behind what is stored as it is, its sizes may stand again.
    let packed = if is_stored(bytes) { size } else { bytes.len() as u64 };
    let options =
        ZipReadOptions::new().override_compressed_size(packed).override_uncompressed_size(size).override_crc(crc32);
    let mut reader = Cursor::new(bytes);
    let read = read_zipfile_from_stream_with_options(&mut reader, options);
    let mut file = read.map_err(|error| corrupt(&error))?.ok_or_else(|| corrupt(&"there is no member"))?;
    let mut content = Vec::new();
    file.by_ref().take(size + 1).read_to_end(&mut content).map_err(|error| match ZipError::from(error) {
        ZipError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => corrupt(&"that ends within it"),
        error => corrupt(&error),
    })?;
    match content.len() as u64 == size {
        true => Ok(content.into()),
        false => Err(corrupt(&format!("it has {} bytes or more instead of {size}", content.len()))),
    }
}

/// The end of an archive as if it were all of it. What is wanted of what is not there is remembered.
struct Tail {
    start: u64,
    bytes: Bytes,
    position: u64,
    wanted: Option<u64>,
}

impl Tail {
    /// What is there of the archive from `start` on.
    fn from(&self, start: u64) -> &[u8] {
        let start = usize::try_from(start.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.bytes.get(start..).unwrap_or_default()
    }

    fn range(&self) -> Range<u64> {
        self.start..self.start + self.bytes.len() as u64
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position < self.start {
            self.wanted = Some(self.wanted.map_or(self.position, |wanted| wanted.min(self.position)));
            return Err(io::Error::other("it lies before what was read"));
        }
        let from = (self.position - self.start).min(self.bytes.len() as u64) as usize;
        let length = buffer.len().min(self.bytes.len() - from);
        buffer[..length].copy_from_slice(&self.bytes[from..from + length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Tail {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.range().end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
