//! What a tar holds. It is read from end to end, because nothing else tells.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use pomona_terms::Reject;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::contents::{Index, Indexed};
use super::labels::{self, Labels};
use super::names;

/// Bytes of what stands before an entry, its long name for instance, which are read into memory.
const MOST_BEFORE_ENTRY: u64 = 16 << 20;

/// Bytes that are hashed at once.
const CHUNK: usize = 64 << 10;

/// The members of the tar that `reader` gives, unpacked; `label_field` is that of `.json` files with labels.
pub(super) fn index(reader: impl Read, label_field: &str) -> Index {
    let (mut index, mut labels) = (Index::default(), Labels::new(label_field));
    if let Err(error) = read(reader, &mut index, &mut labels) {
        index.broken = Some(broken(&error, index.members.len()));
    }
    index.members.iter_mut().for_each(|member| member.label = labels.of(&member.name));
    index
}

fn read(reader: impl Read, index: &mut Index, labels: &mut Labels) -> io::Result<()> {
    let left = Rc::new(Cell::new(MOST_BEFORE_ENTRY));
    for entry in Archive::new(Limited { reader, left: left.clone() }).entries()? {
        left.set(u64::MAX);
        let mut entry = entry?;
        let kind = kind(&mut entry)?;
        // What is not read is passed over on the way to the next entry.
        let mut passed_over = entry.header().entry_size().unwrap_or(0);
        match kind {
            Kind::File(Some(unusable)) => index.members.push(unusable_member(&entry, unusable)),
            Kind::File(None) => {
                index.members.push(member(&mut entry, labels)?);
                passed_over = 0;
            }
            Kind::Passed(what) => *index.passed.entry(what.to_owned()).or_default() += 1,
            Kind::Silent => {}
        }
        left.set(passed_over.saturating_add(MOST_BEFORE_ENTRY));
    }
    Ok(())
}

/// A reader of which no more than what is left is read.
struct Limited<R> {
    reader: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        match self.left.get().checked_sub(length as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "a name of many megabytes")),
        }
        Ok(length)
    }
}

/// What an entry is to a dataset.
enum Kind {
    /// A file, or why it cannot be read as one.
    File(Option<Reject>),
    /// Something else, which is counted.
    Passed(&'static str),
    /// Nothing that anybody would miss.
    Silent,
}

fn kind(entry: &mut Entry<'_, impl Read>) -> io::Result<Kind> {
    Ok(match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous if is_sparse(entry)? => Kind::File(Some(sparse())),
        EntryType::Regular | EntryType::Continuous => Kind::File(None),
        EntryType::GNUSparse => Kind::File(Some(sparse())),
        EntryType::Link | EntryType::Symlink => Kind::Passed("links"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Passed("pipes and devices"),
        _ => Kind::Silent,
    })
}

fn sparse() -> Reject {
    Reject::unsupported("a sparse file in a tar; pack it with all its bytes")
}

/// Whether PAX headers say so, which leave a map of the holes before the content.
fn is_sparse(entry: &mut Entry<'_, impl Read>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    let mut keys = extensions.filter_map(Result::ok);
    Ok(keys.any(|extension| extension.key_bytes().starts_with(b"GNU.sparse.")))
}

/// A member whose content is not looked at.
fn unusable_member(entry: &Entry<'_, impl Read>, unusable: Reject) -> Indexed {
    let (name, misnamed) = names::name(&entry.path_bytes());
    let (start, size) = (entry.raw_file_position(), entry.header().entry_size().unwrap_or(0));
    let unusable = Some(misnamed.unwrap_or(unusable));
    Indexed {
        name,
        size,
        version: String::new(),
        start,
        end: start.saturating_add(size),
        pages: None,
        path: None,
        label: None,
        unusable,
    }
}

fn member(entry: &mut Entry<'_, impl Read>, labels: &mut Labels) -> io::Result<Indexed> {
    let (name, misnamed) = names::name(&entry.path_bytes());
    let (start, size) = (entry.raw_file_position(), entry.size());
    let keeps = Labels::may_tell(&name) && size <= labels::MOST_BYTES;
    let (mut hash, mut kept, mut read) = (Sha256::new(), Vec::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = entry.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        hash.update(&chunk[..length]);
        if keeps {
            kept.extend_from_slice(&chunk[..length]);
        }
        read += length as u64;
    }
    if read < size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("it ends within `{name}`")));
    }
    if keeps {
        labels.note(&name, &kept);
    }
    let version = format!("{:x}", hash.finalize());
    Ok(Indexed {
        name,
        size,
        version,
        start,
        end: start + size,
        pages: None,
        path: None,
        label: None,
        unusable: misnamed,
    })
}

fn broken(error: &io::Error, members: usize) -> Reject {
    let detail = format!("the archive is broken behind its first {members} members, which are used: {error}");
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Reject::truncated(detail),
        _ => Reject::corrupt(detail),
    }
}
