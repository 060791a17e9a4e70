//! What holds a trace of an erased image goes, with all that belongs to it or was made of it, and with every version that
//! a bucket keeps of that.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::erasure::{DeletedFile, FileVersion, Journal, LeftFile, NewRun, Request, Rewritten, WhyLeft};
use pomona_formats::planned_runs::PlannedRuns;
use pomona_results::verify::Needed;
use pomona_run::layout::{self, RunLayout};
use pomona_run::place::Place;
use pomona_run::{RunId, names, pace};
use pomona_store::{Error as StoreError, Store, Version};
use tokio::time::Instant;

use super::handed_over::Attempt;
use super::traces::{self, Traces};
use crate::error::Error;
use crate::lock;

/// Keys that are written down together before they are deleted.
const KEYS_AT_ONCE: usize = 4_096;

/// What was deleted so far, by this attempt and by those before it, and what would not go.
pub(super) struct Removal<'a> {
    output: &'a dyn Store,
    attempt: Attempt,
    asked: DateTime<Utc>,
    /// The names of all erasures that are done with it, in order.
    ids: Vec<RunId>,
    pub(super) journal: Journal,
    /// The runs that this attempt has made anew.
    pub(super) made: Vec<RunId>,
    pub(super) refused: Vec<LeftFile>,
    /// It pauses then, if it must.
    until: Option<Instant>,
}

impl<'a> Removal<'a> {
    /// Goes on with what attempts at these erasures have done before.
    pub(super) async fn go_on(output: &'a dyn Store, attempt: Attempt, pending: &[Request]) -> Result<Self, Error> {
        let first = pending.iter().min_by_key(|request| &request.id);
        let asked = first.ok_or_else(|| Error::internal("an erasure of nothing"))?.asked;
        let ids: BTreeSet<RunId> = pending.iter().map(|request| request.id.clone()).collect();
        let ids = ids.into_iter().collect();
        let (journal, made) = (Journal::default(), Vec::new());
        let refused = attempt.read_refused(output).await?;
        let mut removal = Self { output, attempt, asked, ids, journal, made, refused, until: None };
        for request in pending {
            removal.journal = Journal::read(output, &request.id).await?.beside(removal.journal);
        }
        Ok(removal)
    }

    /// The same, which pauses then.
    pub(super) fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// The same, where this is known not to have gone.
    pub(super) fn but_for(self, refused: Vec<LeftFile>) -> Self {
        Self { refused, ..self }
    }

    /// The erasure in whose journal it is written down.
    pub(super) fn erasure(&self) -> &RunId {
        &self.attempt.erasure
    }

    /// Writes down what would not go, for whoever goes on.
    pub(super) async fn hand_over_refused(&self) -> Result<(), Error> {
        Ok(self.attempt.hand_over_refused(self.output, &self.refused).await?)
    }

    /// Writes the journal, which all attempts share. Who has lost the lock does no more: neither is what he knows of an
    /// attempt true then, nor does what he would delete have to be what he has seen.
    async fn write_journal(&mut self) -> Result<(), Error> {
        self.refuse_lost().await?;
        self.journal = self.journal.clone().add(self.output, &self.attempt.erasure).await?;
        Ok(())
    }

    /// Refuses to go on where the output is in other hands by now.
    pub(super) async fn refuse_lost(&self) -> Result<(), Error> {
        lock::refuse_lost(self.output, &self.attempt.lock).await
    }

    /// Deletes what holds one of the images or was made of it; whether that is all of it.
    pub(super) async fn remove(&mut self, mut traces: Traces) -> Result<bool, Error> {
        self.made.iter().for_each(|run_id| traces.forget(run_id));
        let gone = traces.runs();
        let stand_in = |run_id: RunId| match gone.contains(&run_id) {
            true => self.in_place_of(&run_id).cloned(),
            false => Some(run_id),
        };
        PlannedRuns::change(self.output, |planned| planned.replaced(stand_in)).await?;
        Ok(self.delete_traces(&traces).await? && self.delete_sums().await?)
    }

    /// Writes down what takes the newest run's place.
    pub(super) async fn note_run(&mut self, run: Option<NewRun>, obstacle: Option<&Error>) -> Result<(), Error> {
        self.made.extend(run.iter().map(|run| run.run_id.clone()));
        self.journal.run = run;
        self.journal.no_run_because = obstacle.map(|obstacle| obstacle.name().as_str().to_owned());
        self.write_journal().await
    }

    /// What a run is called once it is made anew: the same by each attempt to erase the same, so that none makes it twice.
    pub(super) fn name_anew(&self, run_id: &RunId) -> RunId {
        self.name_without(run_id, &self.ids)
    }

    /// Whether `anew` is what this attempt, or one before it, makes of a run; more may have been asked for since.
    pub(super) fn is_made_of(&self, anew: &RunId, run_id: &RunId) -> bool {
        (1..=self.ids.len()).any(|count| self.name_without(run_id, &self.ids[..count]) == *anew)
    }

    fn name_without(&self, run_id: &RunId, ids: &[RunId]) -> RunId {
        let ids: Vec<&str> = ids.iter().map(RunId::as_str).collect();
        RunId::new(self.asked, &format!("{run_id} without what was asked for by {}", ids.join(" ")))
    }

    /// What takes the place of a run that goes.
    pub(super) fn in_place_of(&self, run_id: &RunId) -> Option<&RunId> {
        self.journal.rewritten.iter().find(|rewritten| rewritten.was == *run_id).map(|rewritten| &rewritten.run.run_id)
    }

    /// The runs that were made anew and are still there: one that was asked for later may have had to go.
    pub(super) async fn rewritten(&self) -> Result<Vec<Rewritten>, Error> {
        let mut there = Vec::new();
        for rewritten in &self.journal.rewritten {
            let mark = RunLayout::new(rewritten.run.run_id.as_str()).success();
            if self.output.exists(&mark).await? {
                there.push(rewritten.clone());
            }
        }
        Ok(there)
    }

    /// Whether an attempt has made this older run anew.
    pub(super) fn has_rewritten(&self, run_id: &RunId) -> bool {
        self.journal.rewritten.iter().any(|rewritten| rewritten.was == *run_id)
    }

    /// Writes down what takes an older run's place.
    pub(super) async fn note_rewritten(&mut self, rewritten: Rewritten) -> Result<(), Error> {
        self.made.push(rewritten.run.run_id.clone());
        self.journal.rewritten.push(rewritten);
        self.write_journal().await
    }

    /// Deletes what holds a trace, with all that belongs to it: of a run its folder, of a part its three files. What
    /// holds one goes last, so that an erasure that is killed finds the others again.
    async fn delete_traces(&mut self, traces: &Traces) -> Result<bool, Error> {
        let versions = self.output.versions("").await?;
        let doom = Doom::new(traces, &versions);
        let holding: BTreeSet<&str> = doom.suspects.iter().map(|suspect| suspect.file.as_str()).collect();
        let turn = |key: &str| match Place::of(key) {
            // Nobody takes what is left of a run for a result.
            Some(Place::OfRun { run_id, .. }) if RunLayout::new(run_id.as_str()).success() == key => Turn::Mark,
            _ if holding.contains(key) => Turn::Holding,
            _ => Turn::Other,
        };
        self.delete(versions.iter().filter(|version| doom.has(version)).collect(), turn).await
    }

    /// Deletes the sums that no run that is left uses, merged moments and what fits by passes have added up, older
    /// versions of any sum, of which nobody knows what it was made of, and all indexes of archives: these name their
    /// members as the archives do, and the next run makes them anew.
    async fn delete_sums(&mut self) -> Result<bool, Error> {
        let versions = self.output.versions("").await?;
        let has_runs = versions.iter().any(|version| version.is_current() && Place::run_of(&version.key).is_some());
        let unneeded = match has_runs {
            true => {
                let needed = Needed::of(self.output, &self.attempt.lock).await?;
                if let Some(run_id) = needed.in_doubt() {
                    return Err(Error::ListsUnreadable { run_id: run_id.clone() });
                }
                Unneeded::But(needed)
            }
            false => Unneeded::All,
        };
        let current: BTreeSet<&str> =
            versions.iter().filter(|version| version.is_current()).map(|version| version.key.as_str()).collect();
        // Of a part whose features are there it is known whom its moments are of.
        let is_known = |part: &str| current.contains(layout::part_features(part).as_str());
        let is_doomed = |version: &&Version| match Place::of(&version.key) {
            Some(Place::Index) => true,
            Some(Place::PartMoments(part)) if version.is_current() && is_known(part) => false,
            Some(place) => is_sum(&place) && (!version.is_current() || unneeded.has(&place)),
            None => false,
        };
        self.delete(versions.iter().filter(is_doomed).collect(), |_| Turn::Other).await
    }

    /// Deletes these versions, those of a key one after another; whether there was time for all.
    async fn delete(&mut self, doomed: Vec<&Version>, turn: impl Fn(&str) -> Turn) -> Result<bool, Error> {
        for now in [Turn::Mark, Turn::Other, Turn::Holding] {
            // What names an image stays with what could not go of its run or part, so that the next attempt finds that.
            let kept: BTreeSet<String> = match now {
                Turn::Holding => self.refused.iter().map(|left| group_of(&left.file.file)).collect(),
                Turn::Mark | Turn::Other => BTreeSet::new(),
            };
            let keys = doomed.chunk_by(|a, b| a.key == b.key).filter(|versions| turn(&versions[0].key) == now);
            let refused_before: BTreeSet<String> = self.refused.iter().map(|left| left.file.file.clone()).collect();
            let keys = keys.filter(|versions| !kept.contains(&group_of(&versions[0].key)));
            let keys: Vec<&[&Version]> = keys.filter(|versions| !refused_before.contains(&versions[0].key)).collect();
            for keys in keys.chunks(KEYS_AT_ONCE) {
                if self.until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(false);
                }
                self.delete_keys(keys).await?;
            }
        }
        Ok(true)
    }

    /// Writes down what the versions of some keys were, and deletes them.
    async fn delete_keys(&mut self, keys: &[&[&Version]]) -> Result<(), Error> {
        let output = self.output;
        let contents = keys.iter().flat_map(|versions| versions.iter().copied()).filter(|version| version.is_content());
        let described =
            stream::iter(contents).map(|version| describe(output, version)).buffer_unordered(pace::REQUESTS);
        let described: Vec<Option<DeletedFile>> = described.try_collect().await?;
        self.journal.deleted.extend(described.into_iter().flatten());
        self.write_journal().await?;
        let deleted = stream::iter(keys).map(|versions| delete_key(output, versions)).buffer_unordered(pace::REQUESTS);
        let refused: Vec<Vec<LeftFile>> = deleted.try_collect().await?;
        self.refused.extend(refused.into_iter().flatten());
        Ok(())
    }
}

/// When a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Mark,
    Other,
    Holding,
}

/// What must go because of traces.
struct Doom<'a> {
    suspects: BTreeSet<&'a FileVersion>,
    /// These go as a whole.
    runs: BTreeSet<RunId>,
    /// Of these no older version stays.
    without_older: BTreeSet<RunId>,
    /// Of any other run no version stays: it was deleted before, and nobody knows what it was made of.
    present: BTreeSet<RunId>,
    parts: BTreeSet<&'a str>,
}

impl<'a> Doom<'a> {
    fn new(traces: &'a Traces, versions: &[Version]) -> Self {
        let current = versions.iter().filter(|version| version.is_current());
        let part_of = |file: &'a FileVersion| match Place::of(&file.file)? {
            Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part) => Some(part),
            _ => None,
        };
        Self {
            suspects: traces.suspects().collect(),
            runs: traces.runs(),
            without_older: traces.runs_that_had_any(),
            present: current.filter_map(|version| Place::run_of(&version.key)).collect(),
            parts: traces.suspects().filter_map(part_of).collect(),
        }
    }

    fn has(&self, version: &Version) -> bool {
        match Place::of(&version.key) {
            Some(Place::OfRun { run_id, .. }) => {
                if !traces::is_ours(&version.key) {
                    return false;
                }
                let keeps_older = self.present.contains(&run_id) && !self.without_older.contains(&run_id);
                self.runs.contains(&run_id) || !version.is_current() && !keeps_older
            }
            Some(Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part)) => {
                self.parts.contains(part)
            }
            // These were written anew before; what could not be read of them is an older version now.
            Some(Place::Latest | Place::Planned) => {
                !version.is_current() && self.suspects.iter().any(|suspect| suspect.file == version.key)
            }
            Some(_) => self.suspects.contains(&FileVersion::from(version)),
            None => false,
        }
    }
}

/// What goes together: a run's folder, a part's files.
fn group_of(key: &str) -> String {
    match Place::of(key) {
        Some(Place::OfRun { run_id, .. }) => run_id.to_string(),
        Some(Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part)) => part.to_owned(),
        _ => key.to_owned(),
    }
}

/// Sums that no run uses.
enum Unneeded {
    All,
    But(Needed),
}

impl Unneeded {
    fn has(&self, place: &Place<'_>) -> bool {
        match self {
            Self::All => true,
            Self::But(needed) => !needed.has(place),
        }
    }
}

/// The moments of a part are sums, too.
fn is_sum(place: &Place<'_>) -> bool {
    matches!(place, Place::Node(_) | Place::PartMoments(_) | Place::SweepModel { .. } | Place::SweepPass { .. })
}

/// What a version is; nothing where it has gone.
async fn describe(output: &dyn Store, version: &Version) -> Result<Option<DeletedFile>, Error> {
    match output.get_version(version).await {
        Ok(bytes) => {
            Ok(Some(DeletedFile { file: version.into(), bytes: bytes.len() as u64, sha256: names::digest(&bytes) }))
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Deletes versions of one key in their order; those that may not be deleted are given back.
async fn delete_key(output: &dyn Store, versions: &[&Version]) -> Result<Vec<LeftFile>, Error> {
    let mut refused = Vec::new();
    for version in versions {
        match output.delete_version(version).await {
            Err(error @ StoreError::Denied { .. }) => {
                refused.push(LeftFile { file: (*version).into(), why: WhyLeft::Refused { reason: error.to_string() } });
            }
            deleted => deleted?,
        }
    }
    Ok(refused)
}
