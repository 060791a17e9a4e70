//! Keeping no more than is needed: deleting older runs, and what only they used.
//!
//! The newest successful run stays, however old it is, and so does what it uses; on AWS the bucket's lifecycle does the
//! same by age.

use std::collections::BTreeSet;
use std::future::Future;

use chrono::{DateTime, Utc};
use futures::stream::{self, TryStreamExt};
use pomona_formats::Error as FileError;
use pomona_formats::planned;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_results::latest;
use pomona_results::verify::{self, Tally, Unneeded};
use pomona_run::layout::RunLayout;
use pomona_run::place::Place;
use pomona_run::{RunId, pace};
use pomona_store::Store;
use serde::Serialize;

use crate::error::Error;
use crate::history::of_earlier_run;
use crate::lock::{self, Holders};
use crate::repair;

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Runs, with all their files.
    pub runs: Vec<RunId>,
    /// Their files.
    pub of_runs: Tally,
    /// What nobody needs without them: parts, sums, fits.
    pub shared: Tally,
}

/// Deletes all runs that began before `before` but for the newest successful one and that whose models it took, then
/// whatever nobody needs; nothing where `stopped` comes first, and the same call goes on.
///
/// # Errors
/// [`Error::Busy`] while a run is going on, [`Error::ListsUnreadable`] where it cannot be told what is needed, and those
/// of the store.
pub async fn forget(
    output: &dyn Store,
    before: DateTime<Utc>,
    (holder, holders): (&str, &dyn Holders),
    stopped: impl Future<Output = ()>,
) -> Result<Option<Forgotten>, Error> {
    lock::hold(output, (holder, holders), |ours| async move { forget_held(output, before, &ours).await }, stopped).await
}

async fn forget_held(output: &dyn Store, before: DateTime<Utc>, ours: &RunId) -> Result<Forgotten, Error> {
    let newest = match latest::read(output).await? {
        Some(latest) => Some(latest.run_id),
        // It is lost, or there was none ever.
        None => verify::runs(output).await?.newest,
    };
    let kept_for_ever = with_models(output, newest).await?;
    let first_kept = RunId::new(before, "");
    let is_old = |run_id: &RunId| !kept_for_ever.contains(run_id) && run_id.timestamp() < first_kept.timestamp();
    let files = output.sizes("runs/").await?;
    let runs: BTreeSet<RunId> = files.iter().filter_map(|(key, _)| Place::run_of(key)).filter(is_old).collect();
    let is_kept = |run_id: &RunId| !runs.contains(run_id);
    PlannedRuns::change(output, |planned| planned.replaced(|run_id| Some(run_id).filter(is_kept))).await?;

    // The marks first, so that nobody takes what is left of a run for a result.
    for run_id in &runs {
        output.delete(&RunLayout::new(run_id.as_str()).success()).await?;
    }
    let is_of_them = |key: &str| Place::run_of(key).is_some_and(|run_id| runs.contains(&run_id));
    let gone: Vec<(String, u64)> = files.into_iter().filter(|(key, _)| is_of_them(key)).collect();
    let of_runs = gone.iter().map(|(_, bytes)| *bytes).collect();
    let delete = |(key, _): (String, u64)| async move { Ok(output.delete(&key).await?) };
    stream::iter(gone.into_iter().map(Ok::<_, Error>)).try_for_each_concurrent(pace::REQUESTS, delete).await?;
    Ok(Forgotten { runs: runs.into_iter().collect(), of_runs, shared: forget_unneeded(output, ours).await? })
}

/// A run, and the one whose models it took, and so on.
async fn with_models(output: &dyn Store, mut run: Option<RunId>) -> Result<BTreeSet<RunId>, Error> {
    let mut runs = BTreeSet::new();
    while let Some(run_id) = run {
        let plan = of_earlier_run(planned::read_plan(output, &run_id).await)?;
        run =
            plan.and_then(|plan| plan.models_of).filter(|models| models.results.is_none()).map(|models| models.run_id);
        if !runs.insert(run_id) {
            break;
        }
    }
    Ok(runs)
}

async fn forget_unneeded(output: &dyn Store, ours: &RunId) -> Result<Tally, Error> {
    Ok(repair::prune(output, &unneeded(output, ours).await?).await?)
}

/// What no run at an output uses that is left.
///
/// # Errors
/// [`Error::ListsUnreadable`] where it cannot be told, and those of the store.
async fn unneeded(output: &dyn Store, ours: &RunId) -> Result<Vec<Unneeded>, Error> {
    let found = match verify::verify(output, Some(ours), &verify::Unobserved).await {
        Err(FileError::NoRun { .. }) => return Ok(Vec::new()),
        found => found?,
    };
    match found.in_doubt.into_iter().next() {
        Some(run_id) => Err(Error::ListsUnreadable { run_id }),
        None => Ok(found.unneeded),
    }
}
