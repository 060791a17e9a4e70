//! latest.json: the newest successful run.

use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::json;
use crate::layout::{LATEST, RunLayout};
use crate::run_id::RunId;

/// The content of latest.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// The newest successful run.
    pub run_id: RunId,
    /// Its folder, relative to the output.
    pub folder: String,
}

/// Reads which run is the newest successful one.
///
/// # Errors
/// Those of the store, and [`Error::Inconsistent`] where the file is something else.
pub async fn read(store: &dyn Store) -> Result<Option<Latest>, Error> {
    json::read_if_there(store, LATEST).await
}

/// Removes latest.json; the run's own folder stays until it expires or somebody deletes it. The caller holds the output's lock.
pub(crate) async fn remove(store: &dyn Store) -> Result<(), Error> {
    Ok(store.delete(LATEST).await?)
}

/// Points latest.json at `run_id`, unless it points at a newer run already.
pub(crate) async fn move_forward(store: &dyn Store, run_id: &RunId) -> Result<(), Error> {
    let layout = RunLayout::new(run_id.as_str());
    let bytes = json::encode(LATEST, &Latest { run_id: run_id.clone(), folder: layout.root().to_owned() })?;
    loop {
        let written = match store.get(LATEST).await {
            Err(StoreError::NotFound { .. }) => store.create(LATEST, bytes.clone()).await,
            Err(error) => return Err(error.into()),
            Ok(stored) => {
                let pointed_at = json::decode::<Latest>(LATEST, &stored.bytes)?.run_id;
                // Runs of the same second do not overlap, as they need the lock: the one that ends now is the newer one.
                if pointed_at.timestamp() > run_id.timestamp() {
                    return Ok(());
                }
                store.replace(LATEST, bytes.clone(), &stored.etag()).await
            }
        };
        match written {
            // Somebody else moved it in between: look again.
            Err(StoreError::AlreadyExists { .. } | StoreError::Changed { .. }) => {}
            other => return Ok(other?),
        }
    }
}
