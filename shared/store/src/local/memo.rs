//! The memo of etags: one file per folder in the user's cache, never beside the data.
//!
//! It is a convenience: whatever is wrong with it, etags are computed again. Layout: [`MAGIC`], then records of an
//! [`FileIdentity`] (seven little-endian u64) and its [`Hash`], then the SHA-256 of all that.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::hash::{self, FileIdentity, Hash};

const MAGIC: &[u8] = b"pomona etags 1\n";
const IDENTITY: usize = 7 * 8;
const RECORD: usize = IDENTITY + 32;
const CHECKSUM: usize = 32;

/// How many records of files that a listing did not meet are kept, for listings of other prefixes: 88 MiB.
const MAX_UNSEEN: usize = 1 << 20;

/// Hashes of files by identity.
#[derive(Debug)]
pub(super) struct Memo {
    path: Option<PathBuf>,
    hashes: HashMap<FileIdentity, Hash>,
    changed: bool,
}

/// The folder that memos are in: `pomona/etags` in the user's cache folder (XDG base directory specification).
pub(super) fn folder() -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let cache = env::var_os("XDG_CACHE_HOME").and_then(absolute);
    let cache = cache.or_else(|| Some(env::var_os("HOME").and_then(absolute)?.join(".cache")))?;
    Some(cache.join("pomona/etags"))
}

impl Memo {
    /// The memo of `root`; an empty one where there is none or it cannot be used.
    pub fn load(folder: Option<&Path>, root: &Path) -> Self {
        let path = folder.map(|folder| folder.join(hash::of_bytes(root.as_os_str().as_bytes())));
        let hashes = match path.as_deref().map(read) {
            Some(Ok(hashes)) => hashes,
            Some(Err(error)) => {
                tracing::debug!(%error, ?path, "etags are computed anew");
                HashMap::new()
            }
            None => HashMap::new(),
        };
        Self { path, hashes, changed: false }
    }

    pub fn get(&self, identity: &FileIdentity) -> Option<Hash> {
        self.hashes.get(identity).copied()
    }

    /// Takes in what a listing met.
    pub fn update(&mut self, seen: impl Iterator<Item = (FileIdentity, Hash)>) {
        let seen: HashMap<_, _> = seen.collect();
        self.changed = seen.keys().any(|identity| !self.hashes.contains_key(identity));
        let unseen = self.hashes.keys().filter(|identity| !seen.contains_key(identity)).count();
        if unseen > MAX_UNSEEN {
            self.hashes.clear();
        }
        self.hashes.extend(seen);
    }

    /// Writes the memo where it changed.
    pub fn save(&self) {
        if let (Some(path), true) = (&self.path, self.changed)
            && let Err(error) = self.write(path)
        {
            tracing::debug!(%error, ?path, "etags are not remembered");
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut content = Vec::with_capacity(MAGIC.len() + self.hashes.len() * RECORD + CHECKSUM);
        content.extend_from_slice(MAGIC);
        for (FileIdentity(numbers), hash) in &self.hashes {
            content.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            content.extend_from_slice(hash);
        }
        let checksum = Sha256::digest(&content);
        content.extend_from_slice(&checksum);

        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(&content)?;
        temporary.persist(path)?;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<HashMap<FileIdentity, Hash>> {
    match fs::read(path) {
        Ok(content) => parse(&content).ok_or_else(|| io::Error::other("not a memo of etags, or damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
}

fn parse(content: &[u8]) -> Option<HashMap<FileIdentity, Hash>> {
    let (content, checksum) = content.split_last_chunk::<CHECKSUM>()?;
    if Sha256::digest(content).as_slice() != checksum {
        return None;
    }
    let (records, []) = content.strip_prefix(MAGIC)?.as_chunks::<RECORD>() else {
        return None;
    };
    records.iter().map(parse_record).collect()
}

fn parse_record(record: &[u8; RECORD]) -> Option<(FileIdentity, Hash)> {
    let (numbers, hash) = record.split_first_chunk::<IDENTITY>()?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    Some((FileIdentity(numbers.try_into().ok()?), hash.try_into().ok()?))
}

#[cfg(test)]
impl Memo {
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Makes every record say `hash`.
    pub fn hash_of_all(&mut self, hash: Hash) -> Hash {
        self.hashes.values_mut().for_each(|remembered| *remembered = hash);
        self.changed = true;
        hash
    }
}
