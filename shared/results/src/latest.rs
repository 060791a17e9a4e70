//! latest.json: the newest successful run.
//!
//! The newest run is the one that was made last, whatever its clock said: a plan writes down which run latest.json
//! named when it began, and its report puts itself in that one's place, or in that of any other run that planned.json
//! has as planned before it.

use pomona_formats::error::{Damage, Error, tell_of_damage};
use pomona_formats::json;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_run::RunId;
use pomona_run::layout::{LATEST, RunLayout};
use pomona_store::{Error as StoreError, Store, Stored};
use serde::{Deserialize, Serialize};

/// The content of latest.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// The newest successful run.
    pub run_id: RunId,
    /// Its folder, relative to the output.
    pub folder: String,
}

impl Latest {
    fn of(run_id: &RunId) -> Self {
        Self { run_id: run_id.clone(), folder: RunLayout::new(run_id.as_str()).root().to_owned() }
    }
}

/// Reads which run is the newest successful one.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`] where the file is something else or names no successful run.
pub async fn read(store: &dyn Store) -> Result<Option<Latest>, Error> {
    match find(store).await? {
        Some(stored) => decode(store, &stored.bytes).await.map(Some),
        None => Ok(None),
    }
}

/// As [`read`], for a run: it replaces a file that is damaged, and till then there is no newest run.
pub async fn read_to_replace(store: &dyn Store) -> Result<Option<Latest>, Error> {
    let latest = read(store).await.inspect_err(|error| tell_of_damage(error, "this run replaces it"));
    Ok(if_whole(latest)?.flatten())
}

/// The newest run as `bytes` have it, whether or not it succeeded. A name that was altered is not that of the folder
/// beside it.
///
/// # Errors
/// [`Error::Damaged`].
pub fn named(bytes: &[u8]) -> Result<Latest, Error> {
    let latest: Latest = serde_json::from_slice(bytes).map_err(|_| Error::damaged(LATEST, Damage::Unknown))?;
    if latest == Latest::of(&latest.run_id) { Ok(latest) } else { Err(Error::damaged(LATEST, Damage::Altered)) }
}

/// The newest run as `bytes` have it.
async fn decode(store: &dyn Store, bytes: &[u8]) -> Result<Latest, Error> {
    let latest = named(bytes)?;
    if !store.exists(&RunLayout::new(latest.run_id.as_str()).success()).await? {
        return Err(Error::damaged(LATEST, Damage::NamesNoRun));
    }
    Ok(latest)
}

fn if_whole<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Damaged { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// Removes latest.json, unless it names another successful run than the one that was `seen` there: the caller holds the
/// output's lock, but may have lost it while it stood still. The run's own folder stays until it expires or somebody
/// deletes it. Gives whether latest.json names no run any more.
///
/// # Errors
/// Those of the store.
pub async fn remove(store: &dyn Store, seen: Option<&RunId>) -> Result<bool, Error> {
    loop {
        let Some(stored) = find(store).await? else { return Ok(true) };
        if names_another(store, &stored, seen).await? {
            return Ok(false);
        }
        match store.delete_if_match(LATEST, &stored.etag()).await {
            // Somebody else moved it in between: look again.
            Err(StoreError::Changed { .. }) => {}
            removed => return Ok(removed.map(|()| true)?),
        }
    }
}

/// Points latest.json at `run_id`, unless it is gone or names another successful run than the one that was `seen` there,
/// as for [`remove`]. Gives whether it names this run now.
///
/// # Errors
/// Those of the store.
pub async fn point_at(store: &dyn Store, run_id: &RunId, seen: Option<&RunId>) -> Result<bool, Error> {
    let bytes = json::encode(LATEST, &Latest::of(run_id))?;
    loop {
        let Some(stored) = find(store).await? else { return Ok(false) };
        // Another call may have pointed it there.
        if stored.bytes == bytes {
            return Ok(true);
        }
        if names_another(store, &stored, seen).await? {
            return Ok(false);
        }
        if pomona_store::put_over(store, Some(&stored.etag()), LATEST, bytes.clone()).await? {
            return Ok(true);
        }
    }
}

async fn find(store: &dyn Store) -> Result<Option<Stored>, Error> {
    match store.get(LATEST).await {
        Err(StoreError::NotFound { .. }) => Ok(None),
        stored => Ok(Some(stored?)),
    }
}

async fn names_another(store: &dyn Store, stored: &Stored, seen: Option<&RunId>) -> Result<bool, Error> {
    let named = if_whole(decode(store, &stored.bytes).await)?.map(|latest| latest.run_id);
    let other = named.filter(|named| Some(named) != seen);
    if let Some(other) = &other {
        tracing::warn!("latest.json names run {other} by now, which stays the newest one");
    }
    Ok(other.is_some())
}

/// Points latest.json at `run_id`, in the place of the run that `follows` names, which was there when this one was
/// planned. Where it names yet another one, that one stays if it was planned after this one, which has lost the output
/// then; one that was planned before has come to its end late, without the lock, and gives way.
pub async fn move_forward(store: &dyn Store, run_id: &RunId, follows: Option<&RunId>) -> Result<(), Error> {
    let bytes = json::encode(LATEST, &Latest::of(run_id))?;
    loop {
        let stored = find(store).await?;
        if let Some(stored) = &stored {
            let named = if_whole(decode(store, &stored.bytes).await)?.map(|latest| latest.run_id);
            if let Some(other) = named.filter(|named| named != run_id && Some(named) != follows)
                && !PlannedRuns::read(store).await?.has_before(&other, run_id)
            {
                tracing::warn!("run {other} was made while run {run_id} stood still: it stays the newest one");
                return Ok(());
            }
        }
        if pomona_store::put_over(store, stored.map(|stored| stored.etag()).as_deref(), LATEST, bytes.clone()).await? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::MemoryStore;

    /// What latest.json names is seen, and another run succeeds before it is removed or pointed elsewhere.
    #[tokio::test]
    async fn what_was_written_since_somebody_looked_stays() {
        let store = MemoryStore::new("output", Default::default());
        let [first, second, third]: [RunId; 3] =
            ["01", "02", "03"].map(|day| format!("202601{day}T120000Z-0123abcd").parse().unwrap());
        for run_id in [&first, &second, &third] {
            store.put(&RunLayout::new(run_id.as_str()).success(), "".into()).await.unwrap();
        }
        let named = async || read_to_replace(&store).await.unwrap().map(|latest| latest.run_id);
        move_forward(&store, &second, None).await.unwrap();
        for seen in [None, Some(&first)] {
            assert!(!point_at(&store, &first, seen).await.unwrap());
            assert!(!remove(&store, seen).await.unwrap());
            assert_eq!(named().await.as_ref(), Some(&second), "{seen:?} was seen");
        }
        assert!(point_at(&store, &third, Some(&second)).await.unwrap());
        assert_eq!(named().await.as_ref(), Some(&third));
        assert!(remove(&store, Some(&third)).await.unwrap());
        assert!(!store.exists(LATEST).await.unwrap());
        assert!(!point_at(&store, &third, Some(&third)).await.unwrap(), "somebody has removed it");
        assert!(!store.exists(LATEST).await.unwrap());

        // What names no run is nobody's, whatever was seen.
        for seen in [None, Some(&first)] {
            store.put(LATEST, "damaged".into()).await.unwrap();
            assert!(point_at(&store, &second, seen).await.unwrap());
            assert_eq!(named().await.as_ref(), Some(&second));
            store.put(LATEST, "damaged".into()).await.unwrap();
            assert!(remove(&store, seen).await.unwrap());
            assert!(!store.exists(LATEST).await.unwrap());
        }
    }
}
