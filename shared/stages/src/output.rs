//! The place where results go, held against other runs.

use std::sync::Arc;

use pomona_run::Location;
use pomona_store::{FolderLock, LocalStore, Store};

use crate::error::Error;
use crate::lock::{self, Holders, NoOtherHolders};
use crate::open::open_bucket;

/// An opened output. A folder is held by a lock of the operating system as well, which ends with the process however it
/// ends: so a lock.json that a killed run left behind is known to be void at once, and need not run out first.
#[derive(Debug)]
pub struct Output {
    store: Arc<dyn Store>,
    folder_lock: Option<FolderLock>,
}

impl Output {
    /// Opens `s3://bucket/prefix` or a folder, which is made where it does not exist, for results of `input`.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds the folder, [`pomona_formats::Error::Request`] for an output inside
    /// the input, and those of the store.
    pub async fn open(location: &Location, input: &Location) -> Result<Self, Error> {
        input.refuse_inside(location)?;
        Self::hold(location).await
    }

    /// Opens `s3://bucket/prefix` or a folder that is there, to mend it. What writes that were killed left behind in a
    /// folder is removed.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds the folder, and those of the store.
    pub async fn existing(location: &Location) -> Result<Self, Error> {
        if let Location::Folder(path) = location {
            LocalStore::open(path)?;
        }
        Self::hold(location).await
    }

    async fn hold(location: &Location) -> Result<Self, Error> {
        let folder = match location {
            Location::Bucket(bucket) => {
                return Ok(Self { store: Arc::new(open_bucket(bucket).await?), folder_lock: None });
            }
            Location::Folder(path) => LocalStore::create(path)?,
        };
        let folder_lock = folder.try_lock()?;
        let store: Arc<dyn Store> = Arc::new(folder);
        if folder_lock.is_none() {
            let theirs = lock::Lock::read(store.as_ref()).await?;
            return Err(lock::busy(store.as_ref(), theirs.as_ref()));
        }
        Ok(Self { store, folder_lock })
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// What is known about others that hold the output, where `elsewhere` knows of those of a bucket.
    pub fn holders<'a>(&self, elsewhere: &'a dyn Holders) -> &'a dyn Holders {
        if self.folder_lock.is_some() { &NoOtherHolders } else { elsewhere }
    }
}
