//! Looking at every file below an output, and mending what can be mended, under the output's lock.

use pomona_results::verify::{self, Observer, Tally, Verification};
use pomona_run::RunId;
use pomona_store::Store;

use crate::error::Error;
use crate::lock::{self, Holders};
use crate::repair::{self, Repaired};

/// What may be changed of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mending {
    /// What is damaged is made good, as far as nothing need be computed.
    pub repairs: bool,
    /// What nobody needs is deleted.
    pub prunes: bool,
}

impl Mending {
    /// Whether anything may be changed, for which the output's lock is taken.
    pub fn is_any(self) -> bool {
        self.repairs || self.prunes
    }
}

/// What was found, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was found.
    pub found: Verification,
    /// What was made good, where that was asked for.
    pub repaired: Option<Repaired>,
    /// What was deleted, where that was asked for.
    pub pruned: Option<Tally>,
}

impl Verified {
    /// Whether nothing is damaged or missing, or all of it was made good or set aside.
    pub fn is_whole(&self) -> bool {
        self.found.is_whole() || self.repaired.as_ref().is_some_and(|repaired| repaired.left.is_empty())
    }
}

/// Looks at every file below `output`, and mends it as `mending` says; nothing where `stopped` comes first. `holder` says
/// in lock.json who does.
///
/// # Errors
/// [`Error::Busy`] where a run is going on and something may be changed, and those of [`verify::verify`] and of the
/// store.
pub async fn verify(
    output: &dyn Store,
    mending: Mending,
    (holder, holders): (&str, &dyn Holders),
    observer: &dyn Observer,
    stopped: impl Future<Output = ()>,
) -> Result<Option<Verified>, Error> {
    if mending.is_any() {
        let work = |ours| async move { look_and_mend(output, Some(&ours), mending, observer).await };
        return lock::hold(output, (holder, holders), work, stopped).await;
    }
    tokio::select! {
        biased;
        found = look_and_mend(output, None, mending, observer) => found.map(Some),
        () = stopped => Ok(None),
    }
}

/// What is to be changed is looked for under the same lock: nobody begins to need it meanwhile.
async fn look_and_mend(
    output: &dyn Store,
    ours: Option<&RunId>,
    mending: Mending,
    observer: &dyn Observer,
) -> Result<Verified, Error> {
    let found = verify::verify(output, ours, observer).await?;
    let repaired = match mending.repairs {
        true => Some(repair::repair(output, &found).await?),
        false => None,
    };
    let pruned = match mending.prunes {
        true => Some(repair::prune(output, &found.unneeded).await?),
        false => None,
    };
    Ok(Verified { found, repaired, pruned })
}
