//! What a tar holds. It is read from end to end, because nothing else tells.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::rc::Rc;

use pomona_terms::Reject;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::contents::{Index, Indexed, REPLACED};
use super::labels::{self, Labels};
use super::names;

/// Bytes of what stands before an entry, its long name for instance, which are read into memory.
const MOST_BEFORE_ENTRY: u64 = 16 << 20;

/// Zeros behind a tar's end that are looked through: programs fill up a tape's block, of a megabyte or so.
const MOST_BEHIND_END: u64 = 16 << 20;

/// Bytes that are hashed at once.
const CHUNK: usize = 64 << 10;

/// The members of the tar that `reader` gives, unpacked; `label_field` is that of `.json` files with labels.
pub(super) fn index(reader: impl Read, label_field: &str) -> Index {
    let (mut index, mut labels, mut links) = (Index::default(), Labels::new(label_field), HashMap::new());
    if let Err(error) = read(reader, &mut index, &mut labels, &mut links) {
        index.broken = Some(broken(&error, index.members.len()));
    }
    remove_replaced(&mut index, &links);
    index.members.iter_mut().for_each(|member| member.label = labels.of(&member.name));
    index.passed.extend(labels.untold());
    index
}

/// Notes what there is; of each link how many members stand before it.
fn read(
    reader: impl Read,
    index: &mut Index,
    labels: &mut Labels,
    links: &mut HashMap<String, usize>,
) -> io::Result<()> {
    let left = Rc::new(Cell::new(MOST_BEFORE_ENTRY));
    let mut archive = Archive::new(Limited { reader, left: left.clone(), is_at_end: false });
    for entry in archive.entries()? {
        left.set(u64::MAX);
        let mut entry = entry?;
        let kind = kind(&mut entry)?;
        // What is not read is passed over on the way to the next entry.
        let mut passed_over = entry.header().entry_size().unwrap_or(0);
        match kind {
            Kind::File => {
                index.members.push(member(&mut entry, labels)?);
                passed_over = 0;
            }
            Kind::Sparse(name) => index.members.push(sparse_member(&entry, &name)),
            Kind::Link => {
                links.insert(names::name(&entry.path_bytes()).0, index.members.len());
                *index.passed.entry("links".to_owned()).or_default() += 1;
            }
            Kind::Special => *index.passed.entry("pipes and devices".to_owned()).or_default() += 1,
            Kind::Silent => {}
        }
        left.set(passed_over.saturating_add(MOST_BEFORE_ENTRY));
    }
    check_end(archive.into_inner())
}

/// Of a file and a link of one name the later one is meant, as when the archive is unpacked.
fn remove_replaced(index: &mut Index, links: &HashMap<String, usize>) {
    let (all, mut number) = (index.members.len(), 0);
    index.members.retain(|member| {
        number += 1;
        links.get(&member.name).is_none_or(|before| number > *before)
    });
    let replaced = all - index.members.len();
    if replaced > 0 {
        index.passed.insert(REPLACED.to_owned(), replaced as u64);
    }
}

/// Whether the tar has its mark of zeros, without which a part of it may be missing, and nothing behind that: what
/// stands there, another tar for instance, is not unpacked by others either.
fn check_end(mut archive: Limited<impl Read>) -> io::Result<()> {
    if archive.is_at_end {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has no end mark, so more may be missing"));
    }
    let mut chunk = vec![0; CHUNK];
    let mut passed_over = 0;
    while passed_over < MOST_BEHIND_END {
        // What can no longer be unpacked is no part of the tar.
        let length = archive.reader.read(&mut chunk).unwrap_or_default();
        if length == 0 {
            break;
        }
        if chunk[..length].iter().any(|byte| *byte != 0) {
            let problem = "more follows its end mark; if that is another archive, give it a file of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        passed_over += length as u64;
    }
    Ok(())
}

/// A reader of which no more than what is left is read.
struct Limited<R> {
    reader: R,
    left: Rc<Cell<u64>>,
    /// Whether there was no more.
    is_at_end: bool,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.is_at_end = length == 0 && !buffer.is_empty();
        match self.left.get().checked_sub(length as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "a name of many megabytes")),
        }
        Ok(length)
    }
}

/// What an entry is to a dataset.
enum Kind {
    File,
    /// A file of this name without its zeros.
    Sparse(Vec<u8>),
    /// Another name of something.
    Link,
    /// A pipe or a device.
    Special,
    /// Nothing that anybody would miss.
    Silent,
}

fn kind(entry: &mut Entry<'_, impl Read>) -> io::Result<Kind> {
    Ok(match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => sparse_name(entry)?.map_or(Kind::File, Kind::Sparse),
        EntryType::GNUSparse => Kind::Sparse(entry.path_bytes().into_owned()),
        EntryType::Link | EntryType::Symlink => Kind::Link,
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
        _ => Kind::Silent,
    })
}

/// The name of a file that PAX headers say is sparse. They may have it, since the entry's own is then made up; before
/// the content stands a map of the holes
/// (<https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html>).
fn sparse_name(entry: &mut Entry<'_, impl Read>) -> io::Result<Option<Vec<u8>>> {
    let (mut is_sparse, mut name) = (false, None);
    for extension in entry.pax_extensions()?.into_iter().flatten().filter_map(Result::ok) {
        is_sparse |= extension.key_bytes().starts_with(b"GNU.sparse.");
        if extension.key_bytes() == b"GNU.sparse.name" {
            name = Some(extension.value_bytes().to_vec());
        }
    }
    Ok(is_sparse.then(|| name.unwrap_or_else(|| entry.path_bytes().into_owned())))
}

/// A member whose content is not looked at.
fn sparse_member(entry: &Entry<'_, impl Read>, name: &[u8]) -> Indexed {
    let (name, misnamed) = names::name(name);
    let (start, size) = (entry.raw_file_position(), entry.header().entry_size().unwrap_or(0));
    let sparse = || Reject::unsupported("a sparse file in a tar; pack it with all its bytes");
    let unusable = Some(misnamed.unwrap_or_else(sparse));
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
