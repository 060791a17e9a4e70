//! Reading files and writing down what they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pomona_formats::error::{Damage, Error};
use pomona_formats::{digests, run_aside};
use pomona_run::pace::BYTES_READ_AHEAD;
use pomona_store::{Error as StoreError, Store};
use tokio::sync::Semaphore;

use super::findings::{Consequence, Damaged, Missing, Problem, Unchecked, Unneeded, Unvouched, Useless, Verification};

/// Is told how a look at all files gets on.
pub trait Observer: Send + Sync {
    /// So many bytes will be looked at.
    fn begun(&self, bytes: u64);
    /// So many more are done with.
    fn bytes_looked_at(&self, bytes: u64);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn begun(&self, _: u64) {}
    fn bytes_looked_at(&self, _: u64) {}
}

/// Files of a folder that were not looked at yet, with their sizes.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<BTreeMap<String, u64>>);

/// A file, or one that should be there.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) key: String,
    /// None where it is not there.
    pub(super) bytes: Option<u64>,
}

impl Files {
    pub(super) async fn list(output: &dyn Store, folder: &str) -> Result<Self, Error> {
        Ok(Self(Mutex::new(output.sizes(folder).await?.into_iter().collect())))
    }

    /// The file of this name, which is looked at now.
    pub(super) fn take(&self, key: impl Into<String>) -> File {
        let key = key.into();
        let bytes = lock(&self.0).remove(&key);
        File { key, bytes }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        lock(&self.0).contains_key(key)
    }

    pub(super) fn has_any_below(&self, folder: &str) -> bool {
        lock(&self.0).range(folder.to_owned()..).next().is_some_and(|(key, _)| key.starts_with(folder))
    }

    /// The keys below a folder.
    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        let files = lock(&self.0);
        files.range(folder.to_owned()..).map(|(key, _)| key.clone()).take_while(|key| key.starts_with(folder)).collect()
    }

    /// All that are left.
    pub(super) fn into_rest(self) -> impl Iterator<Item = File> {
        let rest = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        rest.into_iter().map(|(key, bytes)| File { key, bytes: Some(bytes) })
    }
}

/// Checks files one by one, of which several may be under way, and keeps what is found.
pub(super) struct Checker<'a> {
    pub(super) output: &'a dyn Store,
    observer: &'a dyn Observer,
    /// As many permits as bytes may be held at once; a larger file takes all.
    budget: Semaphore,
    found: Mutex<Verification>,
    /// A run is going on.
    is_held: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn new(output: &'a dyn Store, observer: &'a dyn Observer, begun: Verification) -> Self {
        Self {
            output,
            observer,
            budget: Semaphore::new(BYTES_READ_AHEAD as usize),
            is_held: begun.going_on.is_some(),
            found: Mutex::new(begun),
        }
    }

    pub(super) fn finish(self) -> Verification {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.damaged.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        found.missing.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        found.unneeded.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        found.unchecked.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        found.unknown.sort_unstable();
        found
    }

    /// What `decode` makes of a file's bytes where it is whole; writes down what the file is.
    pub(super) async fn check<T: Send + 'static>(
        &self,
        file: &File,
        follows: &Consequence,
        decode: impl FnOnce(&str, &[u8]) -> Result<T, Error> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let Some(expected) = file.bytes else {
            self.missing(&file.key, follows);
            return Ok(None);
        };
        let permits = expected.clamp(1, BYTES_READ_AHEAD) as u32;
        let _held = self.budget.acquire_many(permits).await.map_err(|error| Error::Internal(error.to_string()))?;
        let bytes = match self.output.get(&file.key).await {
            Ok(stored) => stored.bytes,
            Err(error) if !error.is_about_object() => return Err(error.into()),
            Err(error) => {
                self.observer.bytes_looked_at(expected);
                self.unreadable(file, follows, &error);
                return Ok(None);
            }
        };
        let (key, size) = (file.key.clone(), bytes.len() as u64);
        let decoded = run_aside(move || decode(&key, &bytes)).await?;
        self.observer.bytes_looked_at(expected);
        match decoded {
            Ok(value) => {
                self.lock().whole.add(size);
                return Ok(Some(value));
            }
            Err(Error::Damaged { damage, .. }) if damage != Damage::OtherVersion => {
                self.damaged(file, Problem::Damaged(damage), follows);
            }
            // Its bytes are those that were written: nobody may take it for damaged.
            Err(error) => {
                tracing::debug!(%error, file = file.key, "could not be decoded");
                self.write_down_unchecked(file, Unvouched::ByOtherVersion);
            }
        }
        Ok(None)
    }

    /// As [`Checker::check`], of a file whose digest must be `sha256`.
    pub(super) async fn check_digest(&self, file: &File, follows: &Consequence, sha256: &str) -> Result<bool, Error> {
        let sha256 = sha256.to_owned();
        let checked = self.check(file, follows, move |key, bytes| digests::check(key, bytes, &sha256)).await?;
        Ok(checked.is_some())
    }

    fn unreadable(&self, file: &File, follows: &Consequence, error: &StoreError) {
        match error {
            StoreError::NotFound { .. } => self.missing(&file.key, follows),
            error => self.damaged(file, Problem::Unreadable(error.to_string()), follows),
        }
    }

    pub(super) fn damaged(&self, File { key, bytes }: &File, problem: Problem, follows: &Consequence) {
        let (file, bytes) = (key.clone(), bytes.unwrap_or_default());
        let damaged = Damaged { file, bytes, problem, follows: follows.clone() };
        self.lock().damaged.push(damaged);
    }

    pub(super) fn missing(&self, file: &str, follows: &Consequence) {
        self.lock().missing.push(Missing { file: file.to_owned(), follows: follows.clone() });
    }

    /// Writes down a whole file that need not be read.
    pub(super) fn whole(&self, File { bytes, .. }: &File) {
        if let Some(bytes) = *bytes {
            self.observer.bytes_looked_at(bytes);
            self.lock().whole.add(bytes);
        }
    }

    /// Writes down a file that nobody needs, unless a run is going on, which may be about to.
    pub(super) fn unneeded(&self, File { key, bytes }: File, reason: Useless) {
        if self.is_held {
            return self.unchecked(File { key, bytes }, Unvouched::ByRunGoingOn);
        }
        if let Some(bytes) = bytes {
            self.observer.bytes_looked_at(bytes);
            self.lock().unneeded.push(Unneeded { file: key, bytes, reason });
        }
    }

    pub(super) fn unchecked(&self, file: File, reason: Unvouched) {
        if file.bytes.is_some() {
            self.pass(&file);
            self.write_down_unchecked(&file, reason);
        }
    }

    fn write_down_unchecked(&self, File { key, bytes }: &File, reason: Unvouched) {
        let unchecked = Unchecked { file: key.clone(), bytes: bytes.unwrap_or_default(), reason };
        self.lock().unchecked.push(unchecked);
    }

    pub(super) fn unknown(&self, file: File) {
        self.pass(&file);
        self.lock().unknown.push(file.key);
    }

    /// Goes past a file that was written down elsewhere.
    pub(super) fn pass(&self, file: &File) {
        self.observer.bytes_looked_at(file.bytes.unwrap_or_default());
    }

    /// Whether a run is going on.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    fn lock(&self) -> MutexGuard<'_, Verification> {
        lock(&self.found)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
