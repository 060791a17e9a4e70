//! Whether every file below an output is what was written: what `pomona verify` says.
//!
//! Each file is read once, and held against what vouches for it: its name, a seal of its own, the moments of its part,
//! or what a stage of its run wrote down (see [`pomona_formats::digests`]). What nothing vouches for is said to be so.
//! What nobody needs is not read.
//!
//! | where | vouched for by |
//! |---|---|
//! | `latest.json` | itself (the run and its folder), and the mark of the run |
//! | `planned.json`, `suppressed.json`, `erasures/`, `archives/`, `sweeps/`, moments, `plan.json`, `fits.json`, `digests/`, `counters/` | their seals |
//! | features and rejects of a part | its moments |
//! | fragments, `problems/` | their names |
//! | `shards.json`, `missing.json`, `merge/`, `classes/`, `errors/folders.csv` | `plan.json` |
//! | `listing/` | `shards.json` |
//! | models | `digests/reduce.json` |
//! | tables, `errors/` | `counters/` |
//! | `report/`, `model_info/`, figures of a classifier | `digests/report.json` |
//! | `report/cost.json`, `map/`, `left.json`, `_TABLES_REMOVED`, `_WITHDRAWN`, `follow-up.json`, `lock.json` | nobody |
//!
//! Memory is bounded by the files that are under way, by the names of what one folder holds, and by what is found.

mod checker;
mod findings;
mod order;
mod root;
mod run;
mod shared;
mod survey;

use pomona_formats::Error;
use pomona_formats::erasure::Erasures;
use pomona_run::RunId;
use pomona_run::layout::{LATEST, RunLayout};
use pomona_run::place::Place;
use pomona_store::Store;

use checker::{Checker, File};
pub use checker::{Observer, Unobserved};
pub use findings::{
    Consequence, Counts, Damaged, Missing, Problem, Tally, Unchecked, Unneeded, Unvouched, Useless, Verification,
};
use survey::{Needs, Survey};
pub use survey::{Runs, runs};

use crate::latest;

/// Looks at every file below `output`. Of the lock that `ours` holds it takes no notice; another one says that a run is
/// going on.
///
/// # Errors
/// [`Error::NoRun`] where there is nothing that a run writes, those of the store that are worth another try, and those
/// of listing it.
pub async fn verify(output: &dyn Store, ours: Option<&RunId>, observer: &dyn Observer) -> Result<Verification, Error> {
    let survey = Survey::of(output, ours).await?;
    if !survey.has_any {
        return Err(Error::NoRun { location: output.location().to_owned(), named: None, finished: Vec::new() });
    }
    observer.begun(bytes_below(output, &survey).await?);
    let begun = Verification {
        location: output.location().to_owned(),
        going_on: survey.lock.as_ref().map(|lock| lock.run_id.clone()),
        in_doubt: survey.needs.in_doubt_by.clone(),
        not_erased: Erasures::not_done(survey.at_root.keys().map(String::as_str)),
        ..Verification::default()
    };
    let checker = Checker::new(output, observer, begun);
    for key in &survey.unknown {
        checker.unknown(File { key: key.clone(), bytes: None });
    }
    root::check(&checker, &survey).await?;
    shared::check(&checker, &survey).await?;
    for (run_id, run) in &survey.runs {
        run::check(&checker, run_id, *run, survey.state(run_id)).await?;
    }
    let mut found = checker.finish();
    let began = survey::lock_of_others(output, ours).await?;
    if let Some(run_id) = found.going_on.clone().or(began.map(|lock| lock.run_id)) {
        forgive(&mut found, output, run_id).await?;
    }
    Ok(found)
}

/// What the runs that are left at an output use of what they share. Lists of runs are read, and nothing that they name.
#[derive(Debug)]
pub struct Needed(Needs);

impl Needed {
    /// That of an output; of the lock that `ours` holds it takes no notice.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(output: &dyn Store, ours: &RunId) -> Result<Self, Error> {
        Ok(Self(Survey::of(output, Some(ours)).await?.needs))
    }

    /// A run whose list cannot be read: everything may be needed then.
    pub fn in_doubt(&self) -> Option<&RunId> {
        self.0.in_doubt_by.first()
    }

    /// Whether a run uses a file, or it is none that runs share.
    pub fn has(&self, place: &Place<'_>) -> bool {
        match place {
            Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part) => self.0.part(part),
            Place::Fragment { part } => self.0.part(part),
            Place::Node(node) => self.0.node(node),
            Place::SweepModel { fit } | Place::SweepPass { fit } => self.0.fit(fit),
            _ => true,
        }
    }
}

/// A run removes what it needs no more and has latest.json name itself, also while one looks.
async fn forgive(found: &mut Verification, output: &dyn Store, run_id: RunId) -> Result<(), Error> {
    found.going_on = Some(run_id);
    let reason = Unvouched::ByRunGoingOn;
    let missing = std::mem::take(&mut found.missing).into_iter();
    found.unchecked.extend(missing.map(|missing| Unchecked { file: missing.file, bytes: 0, reason }));
    if found.damaged.iter().any(|damaged| damaged.file == LATEST) && latest::read(output).await.is_ok() {
        found.damaged.retain(|damaged| damaged.file != LATEST);
    }
    Ok(())
}

/// One folder after the other, so that the names of no more than one are held.
async fn bytes_below(output: &dyn Store, survey: &Survey) -> Result<u64, Error> {
    let runs = survey.runs.keys().map(|run_id| format!("{}/", RunLayout::new(run_id.as_str()).root()));
    let mut bytes = survey.at_root.values().sum();
    for folder in shared::FOLDERS.iter().map(|folder| (*folder).to_owned()).chain(runs) {
        bytes += output.sizes(&folder).await?.iter().map(|(_, size)| size).sum::<u64>();
    }
    Ok(bytes)
}
