//! A folder as a store.
//!
//! An object is a regular file. Writes go to a temporary file beside the final name, are synced to the disk and then
//! renamed, so that neither a reader nor a power cut meets a half-written object. Links to files and folders are
//! followed. Whoever overwrites or deletes a file holds a lock on that very file, checks that the name still leads to
//! it, and only then acts: this makes conditional writes atomic between processes without any lock file beside the
//! data.

mod etag;
mod hash;
mod memo;
mod walk;
mod write;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use crate::{Error, IsOurs, Keep, Object, Store, Stored, key};
use hash::FileIdentity;
pub(crate) use hash::of_bytes as etag_of;
use memo::Memo;

/// A folder as a store.
#[derive(Debug, Clone)]
pub struct LocalStore {
    folder: Arc<Folder>,
}

/// Held while this process is the only one to work on a folder; released when dropped or when the process ends in any
/// way.
#[derive(Debug)]
pub struct FolderLock {
    _folder: File,
}

impl LocalStore {
    /// Opens a folder that exists.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let location = path.display().to_string();
        let unusable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::location(&location, "there is no such folder; check the path"),
            _ => Error::location(&location, format!("the folder cannot be opened: {error}")),
        };
        let root = fs::canonicalize(path).map_err(unusable)?;
        if !fs::metadata(&root).map_err(unusable)?.is_dir() {
            return Err(Error::location(&location, "it is not a folder; give the folder that holds the files"));
        }
        Ok(Self {
            folder: Arc::new(Folder {
                location,
                root,
                memos: memo::folder(),
                verified: Mutex::default(),
                durable: Mutex::default(),
            }),
        })
    }

    /// Opens a folder to write to. Makes it, and those above it, where it does not exist.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        fs::create_dir_all(path).map_err(|error| {
            Error::location(&path.display().to_string(), format!("the folder cannot be made: {error}"))
        })?;
        let store = Self::open(path)?;
        write::sync_names_above(&store.folder.root);
        Ok(store)
    }

    /// Locks the folder against other processes that call this; `None` where one of them holds it. Whoever gets it removes
    /// what writes that were killed more than a day ago left behind: not before, for a process that stands still for a
    /// day needs what it was writing.
    ///
    /// The lock is advisory (`flock`) and says nothing to those who do not ask; reads and writes go on without it.
    pub fn try_lock(&self) -> Result<Option<FolderLock>, Error> {
        let Folder { location, root, .. } = &*self.folder;
        let folder = File::open(root).map_err(|error| Error::other("open", location, "", error))?;
        match folder.try_lock() {
            Ok(()) => {
                write::remove_abandoned(root, SystemTime::now());
                Ok(Some(FolderLock { _folder: folder }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::other("lock", location, "", error)),
        }
    }

    /// Runs file operations where they do not hold up other tasks.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let folder = self.folder.clone();
        match tokio::task::spawn_blocking(move || work(&folder)).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(Error::other("work on", &self.folder.location, "", error)),
        }
    }
}

#[async_trait]
impl Store for LocalStore {
    fn location(&self) -> &str {
        &self.folder.location
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        let mut found = self.blocking(move |folder| walk::all(folder, &prefix)).await?;
        found.retain(|found| keep(found.entry()) && found.is_object());
        self.blocking(move |folder| folder.describe(found)).await
    }

    async fn sizes(&self, prefix: &str) -> Result<Vec<(String, u64)>, Error> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        self.blocking(move |folder| {
            // What cannot be opened is listed, too.
            let size = |key: &str| fs::metadata(folder.root.join(key)).map_or(0, |metadata| metadata.len());
            let found = walk::all(folder, &prefix)?.into_iter().filter(walk::Found::is_object);
            Ok(found.map(|found| (size(&found.key), found.key)).map(|(size, key)| (key, size)).collect())
        })
        .await
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        let key = key.to_owned();
        self.blocking(move |folder| match folder.object_path(&key) {
            Ok(_) => Ok(folder.describe(vec![walk::Found::file(key)])?.pop()),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        let key = key.to_owned();
        self.blocking(move |folder| match folder.object_path(&key) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        let key = key.to_owned();
        self.blocking(move |folder| folder.read(&key)).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        let key = key.to_owned();
        self.blocking(move |folder| folder.read_start(&key, length)).await
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        self.blocking(move |folder| folder.read_if_match(&key, &etag)).await
    }

    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        self.blocking(move |folder| folder.read_range(&key, &etag, range)).await
    }

    /// On one thread: handing a small file from thread to thread takes longer than reading it.
    async fn get_all_if_match(&self, wanted: &[(&str, &str)]) -> Result<Vec<Result<Bytes, Error>>, Error> {
        let wanted: Vec<_> = wanted.iter().map(|(key, etag)| ((*key).to_owned(), (*etag).to_owned())).collect();
        self.blocking(move |folder| Ok(wanted.iter().map(|(key, etag)| folder.read_if_match(key, etag)).collect()))
            .await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |folder| write::put(folder, &key, &bytes)).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |folder| write::create(folder, &key, &bytes)).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        self.blocking(move |folder| write::replace(folder, &key, &bytes, &etag)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.blocking(move |folder| write::copy(folder, &from, &to)).await
    }

    /// Nothing expires in a folder.
    async fn refresh(&self, _: &str, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |folder| write::delete(folder, &key, None)).await
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        self.blocking(move |folder| write::delete(folder, &key, Some(&etag))).await
    }

    /// Its own temporary files are known by their names.
    async fn settle(&self, _: &IsOurs<'_>) -> Result<(), Error> {
        self.blocking(|folder| write::settle(folder, &folder.root)).await
    }
}

/// What the operations need to know of the folder.
#[derive(Debug)]
struct Folder {
    location: String,
    root: PathBuf,
    /// Where etags are remembered; `None` where the user has no cache folder.
    memos: Option<PathBuf>,
    /// Etags of files of which ranges are read, by what the file system says of them.
    verified: Mutex<HashMap<FileIdentity, String>>,
    /// Folders below the root whose names are on the disk.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    fn path(&self, key: &str) -> Result<PathBuf, Error> {
        key::check(key)?;
        Ok(self.root.join(key))
    }

    /// The path of an object that is there.
    fn object_path(&self, key: &str) -> Result<PathBuf, Error> {
        let path = self.path(key)?;
        let metadata = fs::metadata(&path).map_err(|error| self.failed("read", key, error))?;
        if metadata.is_file() { Ok(path) } else { Err(Error::not_found(&self.location, key)) }
    }

    fn open_object(&self, key: &str) -> Result<File, Error> {
        let path = self.object_path(key)?;
        etag::open(&path).map_err(|error| self.failed("read", key, error))
    }

    fn read(&self, key: &str) -> Result<Stored, Error> {
        let mut file = self.open_object(key)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| self.failed("read", key, error))?;
        Ok(Stored { bytes: bytes.into(), etag: None })
    }

    fn read_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        let mut start = self.open_object(key)?.take(length as u64);
        start.read_to_end(&mut bytes).map_err(|error| self.failed("read", key, error))?;
        Ok(bytes.into())
    }

    fn read_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        match self.read(key) {
            Ok(stored) if stored.etag() == etag => Ok(stored.bytes),
            Ok(_) | Err(Error::NotFound { .. }) => Err(Error::changed(&self.location, key)),
            Err(error) => Err(error),
        }
    }

    /// Hashes the whole file where it is not known to be the one that is wanted.
    fn read_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let changed = || Error::changed(&self.location, key);
        let mut file = self.open_object(key).map_err(|error| match error {
            Error::NotFound { .. } => changed(),
            error => error,
        })?;
        let failed = |error| self.failed("read", key, error);
        let identity = FileIdentity::of(&file.metadata().map_err(failed)?);
        let known = self.lock_verified().get(&identity).cloned();
        let found = match known {
            Some(found) => found,
            None => self.verify(&mut file).map_err(failed)?,
        };
        if found != etag {
            return Err(changed());
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes.into())
    }

    /// The etag of the file's content, which is remembered if it can be.
    fn verify(&self, file: &mut File) -> io::Result<String> {
        let memo = Memo::load(self.memos.as_deref(), &self.root);
        let (found, lasting) = etag::of_file(file, &memo)?;
        if let Some(identity) = lasting {
            self.lock_verified().insert(identity, found.clone());
        }
        Ok(found)
    }

    fn lock_durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_verified(&self) -> MutexGuard<'_, HashMap<FileIdentity, String>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files as objects, with their etags from the memo or computed on all cores.
    fn describe(&self, found: Vec<walk::Found>) -> Result<Vec<Object>, Error> {
        let mut memo = Memo::load(self.memos.as_deref(), &self.root);
        // Of its own: the threads that a process has in common are missing in a child of fork, which would wait for
        // them.
        let threads = ThreadPoolBuilder::new().build();
        let threads = threads.map_err(|error| self.failed("list", "", io::Error::other(error)))?;
        let describe = |file| etag::describe(&self.root, file, &memo);
        let described: Vec<_> = threads.install(|| found.into_par_iter().map(describe).collect());
        let (objects, seen): (Vec<_>, Vec<_>) = described.into_iter().unzip();
        memo.update(seen.into_iter().flatten());
        memo.save();
        Ok(objects)
    }

    /// The error that a file operation's failure amounts to.
    fn failed(&self, action: &'static str, key: &str, error: io::Error) -> Error {
        use io::ErrorKind::*;
        match error.kind() {
            NotFound | NotADirectory => Error::not_found(&self.location, key),
            PermissionDenied => Error::denied(&self.location, key, "permission denied; check its owner and mode"),
            ReadOnlyFilesystem => Error::denied(&self.location, key, "the file system is read-only"),
            StorageFull | QuotaExceeded => Error::Full { location: self.location.clone(), key: key.into() },
            InvalidFilename => Error::invalid(key, "it is longer than the file system allows"),
            _ if [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&error.raw_os_error()) => {
                Error::transient(&self.location, key, format!("{error}: raise the limit of open files (`ulimit -n`)"))
            }
            // Of the machine, or of a file system that lies elsewhere.
            OutOfMemory
            | TimedOut
            | NotConnected
            | StaleNetworkFileHandle
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown => Error::transient(&self.location, key, error.to_string()),
            _ => Error::other(action, &self.location, key, error),
        }
    }
}

#[cfg(test)]
mod tests;
