//! One run at a time on an output: lock.json says who is running, since when, until when.
//!
//! The lock is created only where there is none, and replaced only if it is still the one that was read, so of two runs
//! that start together one wins. Void are a lock whose holder is known to be gone, one that nobody can read, and one
//! whose time is over, or that would last longer than any run asks for, if nobody is seen to renew it: clocks differ.

use std::pin::{Pin, pin};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::poll_immediate;
use pomona_formats::Error as FileError;
use pomona_formats::error::{Damage, tell_of_damage};
use pomona_formats::json;
pub use pomona_formats::lock_file::Lock;
use pomona_run::layout::LOCK;
use pomona_run::{RunId, clock};
use pomona_store::{Error as StoreError, Store, Stored};

use crate::error::Error;

/// How long the lock of a process on some machine outlives one that no longer renews it.
pub(crate) const LEASE: Duration = Duration::from_secs(90);

/// How often such a lock is renewed.
const RENEWAL: Duration = Duration::from_secs(20);

/// How long one looks on whether a lock is still renewed whose time is over by one's own clock.
const WATCH: Duration = Duration::from_secs(45);

/// Knows of a lock's holder whether it is gone.
#[async_trait::async_trait]
pub trait Holders: Send + Sync {
    /// True only when the holder has surely ended without giving its lock back.
    async fn is_gone(&self, lock: &Lock) -> bool;
}

/// Knows nothing about other holders: their locks end when their time is over.
#[derive(Debug)]
pub struct UnknownHolders;

#[async_trait::async_trait]
impl Holders for UnknownHolders {
    async fn is_gone(&self, _: &Lock) -> bool {
        false
    }
}

/// Every other holder is gone, because something stronger than lock.json (a lock of the operating system) is held
/// already.
#[derive(Debug)]
pub struct NoOtherHolders;

#[async_trait::async_trait]
impl Holders for NoOtherHolders {
    async fn is_gone(&self, _: &Lock) -> bool {
        true
    }
}

/// Takes the output's lock for `run_id`, or takes it again where this run holds it already.
///
/// # Errors
/// [`Error::Busy`] when another run holds it.
pub async fn acquire(
    store: &dyn Store,
    run_id: &RunId,
    holder: &str,
    lease: Duration,
    holders: &dyn Holders,
) -> Result<(), Error> {
    let now = clock::now();
    let mine = Lock { run_id: run_id.clone(), holder: holder.to_owned(), since: now, until: now + lease };
    match store.create(LOCK, json::encode(LOCK, &mine)?).await {
        Err(StoreError::AlreadyExists { .. }) => take_over(store, mine, holders).await,
        other => Ok(other?),
    }
}

/// Takes the lock for as long as somebody renews it; whether nobody has stopped that. `stopped` is listened to before the
/// lock is asked for: whoever is stopped while it is being taken is still there to give it back.
///
/// # Errors
/// As [`acquire`].
pub(crate) async fn acquire_unless(
    mut stopped: Pin<&mut impl Future<Output = ()>>,
    store: &dyn Store,
    run_id: &RunId,
    (holder, holders): (&str, &dyn Holders),
) -> Result<bool, Error> {
    if poll_immediate(stopped.as_mut()).await.is_some() {
        return Ok(false);
    }
    let mut acquired = pin!(acquire(store, run_id, holder, LEASE, holders));
    tokio::select! {
        biased;
        acquired = &mut acquired => acquired.map(|()| true),
        () = stopped => acquired.await.map(|()| false),
    }
}

/// Does `work`, which is told the lock's name, under the output's lock, and gives it back however that ends; nothing where
/// `stopped` comes first.
///
/// # Errors
/// [`Error::Busy`] while somebody else holds it, and those of `work`.
pub(crate) async fn hold<T, F: Future<Output = Result<T, Error>>>(
    store: &dyn Store,
    (holder, holders): (&str, &dyn Holders),
    work: impl FnOnce(RunId) -> F,
    stopped: impl Future<Output = ()>,
) -> Result<Option<T>, Error> {
    let (run_id, mut stopped) = (RunId::now(), pin!(stopped));
    let outcome = match acquire_unless(stopped.as_mut(), store, &run_id, (holder, holders)).await? {
        false => Ok(None),
        true => tokio::select! {
            biased;
            done = work(run_id.clone()) => done.map(Some),
            error = keep(store, &run_id) => Err(error),
            () = stopped => Ok(None),
        },
    };
    let released = release(store, &run_id).await;
    outcome.and_then(|done| released.map(|()| done))
}

async fn take_over(store: &dyn Store, mut mine: Lock, holders: &dyn Holders) -> Result<(), Error> {
    let stored = match store.get(LOCK).await {
        // Given back in this very moment.
        Err(StoreError::NotFound { .. }) => return take_free(store, &mine).await,
        stored => stored?,
    };
    match Lock::decode(&stored.bytes) {
        Some(theirs) if theirs.run_id == mine.run_id => mine.since = theirs.since,
        Some(theirs) if holders.is_gone(&theirs).await => {}
        Some(theirs) if theirs.is_held() => return Err(busy(store, Some(&theirs))),
        Some(theirs) => {
            watch(store, &stored, &theirs).await?;
            let waited = clock::now() - mine.since;
            (mine.since, mine.until) = (mine.since + waited, mine.until + waited);
        }
        None => tell_of_damage(&FileError::damaged(LOCK, Damage::Unknown), "nobody holds the output by it"),
    }
    match store.replace(LOCK, json::encode(LOCK, &mine)?, &stored.etag()).await {
        Err(StoreError::Changed { .. }) => match Lock::read(store).await? {
            Some(theirs) => accept_only(store, &mine, Some(theirs)),
            None => take_free(store, &mine).await,
        },
        other => Ok(other?),
    }
}

async fn take_free(store: &dyn Store, mine: &Lock) -> Result<(), Error> {
    match store.create(LOCK, json::encode(LOCK, mine)?).await {
        Err(StoreError::AlreadyExists { .. }) => accept_only(store, mine, Lock::read(store).await?),
        other => Ok(other?),
    }
}

/// Looks on whether the lock is renewed, for the clock of whoever renews it may be behind.
async fn watch(store: &dyn Store, seen: &Stored, theirs: &Lock) -> Result<(), Error> {
    tracing::warn!(
        "the lock of run {} by {} is over by this clock: waiting {} s to see whether it is renewed",
        theirs.run_id,
        theirs.holder,
        WATCH.as_secs()
    );
    tokio::time::sleep(WATCH).await;
    match store.get(LOCK).await {
        Ok(now) if now.etag() != seen.etag() => Err(busy(store, Lock::decode(&now.bytes).as_ref())),
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whoever was quicker holds the lock now: a retry of this very run, or another one.
fn accept_only(store: &dyn Store, mine: &Lock, lock: Option<Lock>) -> Result<(), Error> {
    match lock {
        Some(theirs) if theirs.run_id == mine.run_id => Ok(()),
        theirs => Err(busy(store, theirs.as_ref())),
    }
}

/// The error that names who holds the output, as far as its lock says.
pub(crate) fn busy(store: &dyn Store, lock: Option<&Lock>) -> Error {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    Error::Busy {
        location: store.location().to_owned(),
        holder: lock.map_or_else(
            || "which has only just started".to_owned(),
            |lock| {
                format!(
                    "{} by {}, since {} and until {} at most",
                    lock.run_id,
                    lock.holder,
                    time(lock.since),
                    time(lock.until)
                )
            },
        ),
    }
}

/// Moves the end of this run's lock to `lease` from now.
///
/// # Errors
/// [`Error::Busy`] when another run has taken it over meanwhile.
pub async fn renew(store: &dyn Store, run_id: &RunId, lease: Duration) -> Result<(), Error> {
    let stored = store.get(LOCK).await?;
    let mut lock = Lock::decode(&stored.bytes).ok_or_else(|| FileError::damaged(LOCK, Damage::Unknown))?;
    if lock.run_id != *run_id {
        return Err(busy(store, Some(&lock)));
    }
    lock.until = clock::now() + lease;
    Ok(store.replace(LOCK, json::encode(LOCK, &lock)?, &stored.etag()).await?)
}

/// Refuses to go on once this run's lock is somebody else's, or nobody's.
///
/// # Errors
/// [`Error::LockLost`], and those of the store.
pub async fn refuse_lost(store: &dyn Store, run_id: &RunId) -> Result<(), Error> {
    match is_held_by(store, run_id).await? {
        true => Ok(()),
        false => Err(Error::LockLost { location: store.location().to_owned() }),
    }
}

/// Whether the lock is this run's.
///
/// # Errors
/// Those of the store.
pub async fn is_held_by(store: &dyn Store, run_id: &RunId) -> Result<bool, Error> {
    Ok(Lock::read(store).await?.is_some_and(|lock| lock.run_id == *run_id))
}

/// Renews the lock for as long as it can; the error tells why it cannot.
pub(crate) async fn keep(store: &dyn Store, run_id: &RunId) -> Error {
    loop {
        tokio::time::sleep(RENEWAL).await;
        match renew(store, run_id, LEASE).await {
            Err(Error::File(FileError::Store(error))) if error.is_retryable() => {
                tracing::warn!(%error, "could not renew the lock")
            }
            Err(error) => return error,
            Ok(()) => {}
        }
    }
}

/// Gives this run's lock back; a lock of another run stays.
///
/// # Errors
/// Those of the store.
pub async fn release(store: &dyn Store, run_id: &RunId) -> Result<(), Error> {
    loop {
        let stored = match store.get(LOCK).await {
            Err(StoreError::NotFound { .. }) => return Ok(()),
            stored => stored?,
        };
        if Lock::decode(&stored.bytes).is_none_or(|lock| lock.run_id != *run_id) {
            return Ok(());
        }
        match store.delete_if_match(LOCK, &stored.etag()).await {
            // Somebody has taken it over, or a call of this run's has just renewed it: look again.
            Err(StoreError::Changed { .. }) => {}
            released => return Ok(released?),
        }
    }
}
