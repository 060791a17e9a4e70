//! A finished run at a glance: what `pomona inspect` shows.

use std::collections::BTreeMap;

use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::RunLayout;
use crate::plan::{self, Plan};
use crate::report::ModelInfo;
use crate::run_id::RunId;
use crate::validation::Validation;
use crate::{json, latest};

/// Everything worth knowing about a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// What was planned, with the options.
    pub plan: Plan,
    /// The run in numbers.
    pub info: ModelInfo,
    /// Every check.
    pub validation: Validation,
    /// Labels with their listed images, most frequent first.
    pub classes: Vec<ClassCount>,
    /// Time per stage.
    pub timings: Vec<StageTime>,
    /// Files and bytes by folder of the run.
    pub folders: BTreeMap<String, FolderSize>,
}

/// A row of classes.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The label's number.
    pub class_id: i32,
    /// The label.
    pub class: String,
    /// Listed images.
    pub count: u64,
}

/// A row of timings.csv.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage's name.
    pub stage: String,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Images, groups or shards.
    pub items: u64,
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
/// [`Error::Option`] when no run was successful yet, or the named one was not.
pub async fn find_run(output: &dyn Store, named: Option<&RunId>) -> Result<RunId, Error> {
    let refuse = |problem: String| Err(Error::Option { option: "run", problem });
    let Some(run_id) = named else {
        return match latest::read(output).await? {
            Some(latest) => Ok(latest.run_id),
            None => refuse(format!("no run at `{}` was successful yet", output.location())),
        };
    };
    if !output.exists(&RunLayout::new(run_id.as_str()).success()).await? {
        return refuse(format!("there is no successful run `{run_id}` at `{}`; see runs/ there", output.location()));
    }
    Ok(run_id.clone())
}

/// Gathers what is known about a successful run.
///
/// # Errors
/// [`Error::Inconsistent`] for files that are not what they should be, and those of the store.
pub async fn inspect(output: &dyn Store, run_id: &RunId) -> Result<Inspection, Error> {
    let layout = RunLayout::new(run_id.as_str());
    Ok(Inspection {
        plan: plan::read_plan(output, run_id).await?,
        info: json::read(output, &layout.model_info()).await?,
        validation: json::read(output, &layout.validation()).await?,
        classes: read_csv(output, &layout.classes(), usize::MAX).await?,
        timings: read_csv(output, &layout.timings(), usize::MAX).await?,
        folders: folder_sizes(output, &layout).await?,
    })
}

/// The first rows of a table, no more than `most`.
pub(crate) async fn read_csv<T: serde::de::DeserializeOwned>(
    output: &dyn Store,
    key: &str,
    most: usize,
) -> Result<Vec<T>, Error> {
    let bytes = output.get(key).await?.bytes;
    let rows = csv::Reader::from_reader(bytes.as_ref()).into_deserialize().take(most);
    rows.collect::<Result<_, _>>().map_err(|error| Error::inconsistent(key, error.to_string()))
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
