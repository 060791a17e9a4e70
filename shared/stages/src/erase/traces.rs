//! Files that name an erased image, and files that were made of such.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::erasure::{DeletedFile, Examined};
use pomona_formats::suppressed::Suppressed;
use pomona_formats::{Error as FileError, planned, run_aside, strings};
use pomona_results::verify;
use pomona_run::layout::{self, RunLayout};
use pomona_run::place::Place;
use pomona_run::{RunId, names, pace};
use pomona_store::{Error as StoreError, Store};
use serde::Serialize;

use crate::error::Error;
use crate::history::of_earlier_run;

/// What a look at everything came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traces {
    /// What was read.
    pub examined: Examined,
    /// Files that name an erased image (keys at the output).
    pub holding: Vec<String>,
    /// Files that are not what their names say, so that nothing is known of them.
    pub unreadable: Vec<String>,
    /// Files that no run writes: nobody looked into these.
    pub foreign: u64,
}

impl Traces {
    /// Whether there are any.
    pub(super) fn are_any(&self) -> bool {
        self.suspects().next().is_some()
    }

    /// Whether a run has any.
    pub(super) fn are_in(&self, run_id: &RunId) -> bool {
        self.runs().contains(run_id)
    }

    /// The runs that have any, in order.
    pub(super) fn runs(&self) -> Vec<RunId> {
        let runs: BTreeSet<RunId> = self.suspects().filter_map(|key| Place::run_of(key)).collect();
        runs.into_iter().collect()
    }

    /// Adds the runs at this output that took their models of a run that has any: these were learned from its images.
    pub(super) async fn add_followers(&mut self, output: &dyn Store) -> Result<(), Error> {
        let keys = output.sizes("runs/").await?.into_iter().map(|(key, _)| key);
        let plans: Vec<String> = keys.filter(|key| key.ends_with("/plan.json")).collect();
        while let Some(followers) = self.followers(output, &plans).await? {
            self.holding.extend(followers);
        }
        Ok(())
    }

    /// Plans of runs that have none, and took their models of one that has.
    async fn followers(&self, output: &dyn Store, plans: &[String]) -> Result<Option<Vec<String>>, Error> {
        let mut followers = Vec::new();
        for key in plans {
            let Some(run_id) = Place::run_of(key).filter(|run_id| !self.are_in(run_id)) else { continue };
            let Some(plan) = of_earlier_run(planned::read_plan(output, &run_id).await)? else { continue };
            let models = plan.models_of.filter(|models| models.results.is_none());
            if models.is_some_and(|models| self.are_in(&models.run_id)) {
                followers.push(key.clone());
            }
        }
        Ok(Some(followers).filter(|followers| !followers.is_empty()))
    }

    /// A file of which nothing is known may hold anything.
    fn suspects(&self) -> impl Iterator<Item = &String> {
        self.holding.iter().chain(&self.unreadable)
    }

    /// What was read, where it holds nothing.
    pub(super) fn into_examined(self, output: &dyn Store) -> Result<Examined, Error> {
        let files = self.holding.len() + self.unreadable.len();
        match self.suspects().next() {
            None => Ok(self.examined),
            Some(first) => {
                Err(Error::TracesLeft { location: output.location().to_owned(), files, first: first.clone() })
            }
        }
    }
}

/// Reads all files below an output and looks for erased images in whatever text they hold.
///
/// # Errors
/// Those of the store.
pub(super) async fn find(output: &dyn Store, erased: &Suppressed) -> Result<Traces, Error> {
    let files = output.sizes("").await?;
    let look =
        |(key, bytes): (String, u64)| async move { Ok::<_, Error>((look(output, erased, &key).await?, key, bytes)) };
    let mut looks = stream::iter(files).map(look).buffered(pace::REQUESTS);
    let mut traces = Traces::default();
    while let Some((look, key, bytes)) = looks.try_next().await? {
        match look {
            Look::Gone => continue,
            Look::Foreign => {
                traces.foreign += 1;
                continue;
            }
            Look::Clean => {}
            Look::Holding => traces.holding.push(key),
            Look::Unreadable => traces.unreadable.push(key),
        }
        traces.examined.files += 1;
        traces.examined.bytes += bytes;
    }
    Ok(traces)
}

enum Look {
    Gone,
    Foreign,
    Clean,
    Holding,
    Unreadable,
}

async fn look(output: &dyn Store, erased: &Suppressed, key: &str) -> Result<Look, Error> {
    // A user's own file beside ours is none of ours.
    if !is_ours(key) {
        return Ok(Look::Foreign);
    }
    let bytes = match output.get(key).await {
        Ok(stored) => stored.bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Look::Gone),
        Err(error) => return Err(error.into()),
    };
    let (own_key, erased) = (key.to_owned(), erased.clone());
    run_aside(move || {
        let mut is_holding = false;
        match strings::each(&own_key, bytes, &mut |text| is_holding |= names_any(text, &erased)) {
            _ if is_holding => Look::Holding,
            Ok(()) => Look::Clean,
            Err(_) => Look::Unreadable,
        }
    })
    .await
    .map_err(Error::from)
}

fn is_ours(key: &str) -> bool {
    match Place::of(key) {
        None => false,
        Some(Place::OfRun { run_id, .. }) => RunLayout::new(run_id.as_str()).has(key),
        Some(_) => true,
    }
}

/// Messages have what they name between backticks.
fn names_any(text: &str, erased: &Suppressed) -> bool {
    erased.has(text) || text.contains('`') && text.split('`').any(|part| erased.has(part))
}

/// Deletes what holds a trace, with all that belongs to it: of a run its folder, of a part its three files. What holds
/// one goes last, so that an erasure that is killed finds the others again.
///
/// # Errors
/// Those of the store.
pub(super) async fn delete(output: &dyn Store, traces: &Traces) -> Result<Vec<DeletedFile>, Error> {
    let mut deleted = Vec::new();
    for run_id in traces.runs() {
        deleted.extend(delete_run(output, &run_id, traces).await?);
    }
    let mut files = BTreeSet::new();
    for key in traces.suspects() {
        match Place::of(key) {
            Some(Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part)) => {
                files.extend([layout::part_moments(part), layout::part_features(part), layout::part_rejects(part)]);
            }
            Some(Place::Fragment { .. } | Place::Index | Place::Node(_)) => {
                files.insert(key.clone());
            }
            _ => {}
        }
    }
    let suspects: BTreeSet<&String> = traces.suspects().collect();
    let (holding, others): (Vec<String>, Vec<String>) = files.into_iter().partition(|key| suspects.contains(key));
    deleted.extend(delete_all(output, others).await?);
    deleted.extend(delete_all(output, holding).await?);
    Ok(deleted)
}

/// The mark first, so that nobody takes what is left for a result.
async fn delete_run(output: &dyn Store, run_id: &RunId, traces: &Traces) -> Result<Vec<DeletedFile>, Error> {
    let layout = RunLayout::new(run_id.as_str());
    let files = output.sizes(&format!("{}/", layout.root())).await?.into_iter().map(|(key, _)| key);
    let suspects: BTreeSet<&String> = traces.suspects().collect();
    let (holding, others): (Vec<String>, Vec<String>) = files.partition(|key| suspects.contains(key));
    let mut deleted = delete_all(output, vec![layout.success()]).await?;
    deleted.extend(delete_all(output, others).await?);
    deleted.extend(delete_all(output, holding).await?);
    Ok(deleted)
}

/// Deletes the sums that no run that is left uses, merged moments and what fits by passes have added up, and all indexes
/// of archives: these name their members as the archives do, and the next run makes them anew.
///
/// # Errors
/// [`Error::ListsUnreadable`] where it cannot be told what is used, and those of the store.
pub(super) async fn delete_sums(output: &dyn Store, ours: &RunId) -> Result<Vec<DeletedFile>, Error> {
    let keys = output.sizes("").await?.into_iter().map(|(key, _)| key);
    let (of_runs, others): (Vec<String>, Vec<String>) = keys.partition(|key| key.starts_with("runs/"));
    let indexes = others.iter().filter(|key| Place::of(key) == Some(Place::Index)).cloned();
    if of_runs.is_empty() {
        let sums = others.iter().filter(|key| is_sum(key)).cloned();
        return delete_all(output, sums.chain(indexes).collect()).await;
    }
    let found = match verify::verify(output, Some(ours), &verify::Unobserved).await {
        Err(FileError::NoRun { .. }) => return Ok(Vec::new()),
        found => found?,
    };
    if let Some(run_id) = found.in_doubt.first() {
        return Err(Error::ListsUnreadable { run_id: run_id.clone() });
    }
    let sums = found.unneeded.into_iter().map(|unneeded| unneeded.file).filter(|key| is_sum(key));
    delete_all(output, sums.chain(indexes).collect()).await
}

/// The moments of a part are sums, too.
fn is_sum(key: &str) -> bool {
    use Place::{Node, PartMoments, SweepModel, SweepPass};
    matches!(Place::of(key), Some(Node(_) | PartMoments(_) | SweepModel { .. } | SweepPass { .. }))
}

async fn delete_all(output: &dyn Store, files: Vec<String>) -> Result<Vec<DeletedFile>, Error> {
    let each = stream::iter(files).map(|file| delete_file(output, file)).buffer_unordered(pace::REQUESTS);
    each.try_filter_map(|deleted| async move { Ok(deleted) }).try_collect().await
}

async fn delete_file(output: &dyn Store, file: String) -> Result<Option<DeletedFile>, Error> {
    let bytes = match output.get(&file).await {
        Ok(stored) => stored.bytes,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let sha256 = names::digest(&bytes);
    output.delete(&file).await?;
    Ok(Some(DeletedFile { file, bytes: bytes.len() as u64, sha256 }))
}
