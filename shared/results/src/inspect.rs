//! A finished run at a glance: what `pomona inspect` shows.

use std::collections::BTreeMap;

use pomona_formats::class_table::ClassCount;
use pomona_formats::digests::Digests;
use pomona_formats::error::Error;
use pomona_formats::model_info::ModelInfo;
use pomona_formats::planned::{self, Plan};
use pomona_formats::tables;
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::stage::StageTime;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::latest;
use crate::validation::Validation;

/// Everything worth knowing about a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// What was planned, with the options.
    pub plan: Plan,
    /// The run in numbers.
    pub info: ModelInfo,
    /// Every check.
    pub validation: Validation,
    /// Labels with their listed images, in the order of their ids.
    pub classes: Vec<ClassCount>,
    /// Time per stage: the rows of timings.csv.
    pub timings: Vec<StageTime>,
    /// Files and bytes by folder of the run.
    pub folders: BTreeMap<String, FolderSize>,
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderSize {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The run that is meant: the named one, or the newest successful one.
///
/// # Errors
/// [`Error::NoRun`] when no run was successful yet, or the named one was not; [`Error::TablesRemoved`] when the named
/// one has no tables any more; [`Error::Damaged`] when latest.json names none.
pub async fn find_run(output: &dyn Store, named: Option<&RunId>) -> Result<RunId, Error> {
    let found = match named {
        Some(run_id) => find_named(output, run_id).await?,
        None => latest::read(output).await?.map(|latest| latest.run_id),
    };
    match found {
        Some(run_id) => Ok(run_id),
        None => Err(Error::NoRun {
            location: output.location().to_owned(),
            named: named.cloned(),
            finished: finished_runs(output).await?,
        }),
    }
}

async fn find_named(output: &dyn Store, run_id: &RunId) -> Result<Option<RunId>, Error> {
    let layout = RunLayout::new(run_id.as_str());
    if output.exists(&layout.tables_removed()).await? {
        return Err(Error::TablesRemoved {
            location: output.location().to_owned(),
            run_id: run_id.clone(),
            finished: finished_runs(output).await?,
        });
    }
    Ok(output.exists(&layout.success()).await?.then(|| run_id.clone()))
}

/// The runs that were successful and have their tables, newest first, whether or not latest.json knows of any.
///
/// # Errors
/// Those of the store.
pub async fn finished_runs(output: &dyn Store) -> Result<Vec<RunId>, Error> {
    let marks = output.list("runs/", &|entry| entry.key().ends_with("/_SUCCESS")).await?;
    let run_id = |key: &str| key.strip_prefix("runs/")?.strip_suffix("/_SUCCESS")?.parse().ok();
    let mut runs: Vec<RunId> = marks.iter().filter_map(|mark| run_id(&mark.key)).collect();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(runs)
}

/// Gathers what is known about a successful run.
///
/// # Errors
/// [`Error::Damaged`] for files that are not what they should be, and those of the store.
pub async fn inspect(output: &dyn Store, run_id: &RunId) -> Result<Inspection, Error> {
    let layout = RunLayout::new(run_id.as_str());
    let plan = planned::read_plan(output, run_id).await?;
    let reported = Digests::read_record(output, &layout.report_digests()).await?;
    let classes = plan.digests.read(output, &layout.classes()).await?;
    let timings = reported.read(output, &layout.timings()).await?;
    Ok(Inspection {
        info: reported.read_json(output, &layout.model_info()).await?,
        validation: reported.read_json(output, &layout.validation()).await?,
        classes: tables::from_csv(&layout.classes(), &classes, usize::MAX)?,
        timings: tables::from_csv(&layout.timings(), &timings, usize::MAX)?,
        plan,
        folders: folder_sizes(output, &layout).await?,
    })
}

async fn folder_sizes(output: &dyn Store, layout: &RunLayout) -> Result<BTreeMap<String, FolderSize>, Error> {
    let root = format!("{}/", layout.root());
    let mut folders: BTreeMap<String, FolderSize> = BTreeMap::new();
    for object in output.list(&root, &|_| true).await? {
        let folder = object.key[root.len()..].rsplit_once('/').map_or("", |(folder, _)| folder);
        let size = folders.entry(folder.to_owned()).or_default();
        size.files += 1;
        size.bytes += object.size;
    }
    Ok(folders)
}
