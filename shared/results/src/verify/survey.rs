//! What there is at an output: its runs, which of them is the newest, and what those that are remembered use.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::Error;
use pomona_formats::error::if_readable;
use pomona_formats::fits::Fits;
use pomona_formats::lock_file::Lock;
use pomona_formats::planned::{self, Plan};
use pomona_formats::planned_runs::PlannedRuns;
use pomona_run::layout::{LATEST, LOCK, PLANNED, RunLayout};
use pomona_run::place::Place;
use pomona_run::{RunId, names, pace, tree};
use pomona_store::{Entry, Store};

use super::order::{self, Planned};
use crate::latest;

/// All that must be known before a file can be judged.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) runs: BTreeMap<RunId, Run>,
    /// Files of no folder that are ours, with their sizes.
    pub(super) at_root: BTreeMap<String, u64>,
    pub(super) unknown: Vec<String>,
    /// Anything that a run writes is there.
    pub(super) has_any: bool,
    /// The lock of a run that is going on.
    pub(super) lock: Option<Lock>,
    /// The newest successful run, with its plan if that is whole.
    pub(super) newest: Option<(RunId, Option<Plan>)>,
    pub(super) needs: Needs,
}

/// A run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) has_success: bool,
    pub(super) has_removed_tables: bool,
    /// It was complete, and is no more.
    pub(super) is_withdrawn: bool,
    has_reported: bool,
    has_plan: bool,
    /// Later runs look at it.
    is_remembered: bool,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To its end.
    Ended,
    /// It is going on.
    GoingOn,
    /// It did not succeed, and later runs take over what it has computed.
    Source,
    /// It did not succeed, and nobody looks at it any more.
    Forgotten,
}

impl Survey {
    /// Looks at everything; of `ours`, the lock that is held by who looks, it takes no notice.
    pub(super) async fn of(output: &dyn Store, ours: Option<&RunId>) -> Result<Self, Error> {
        let mut survey = Self::of_keys(output).await?;
        for (key, bytes) in &mut survey.at_root {
            *bytes = output.find(key).await?.map_or(0, |object| object.size);
        }
        survey.lock = lock_of_others(output, ours).await?;
        if ours.is_some() {
            survey.at_root.remove(LOCK);
        }
        let planned = survey.read_planned(output).await?;
        let plans = survey.read_plans(output).await?;
        survey.newest = survey.find_newest(output, &plans).await?;
        survey.remember(planned.as_ref());
        survey.needs = survey.find_needs(output, &plans).await?;
        Ok(survey)
    }

    /// One listing shows all keys, and none is held but those that say what there is.
    async fn of_keys(output: &dyn Store) -> Result<Self, Error> {
        let empty = Self {
            runs: BTreeMap::new(),
            at_root: BTreeMap::new(),
            unknown: Vec::new(),
            has_any: false,
            lock: None,
            newest: None,
            needs: Needs::default(),
        };
        let survey = Mutex::new(empty);
        let see = |entry: Entry<'_>| {
            if !matches!(entry, Entry::Folder(_)) {
                survey.lock().unwrap_or_else(PoisonError::into_inner).see(entry.key());
            }
            false
        };
        output.list("", &see).await?;
        Ok(survey.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn see(&mut self, key: &str) {
        let place = Place::of(key);
        self.has_any |= place.as_ref().is_some_and(|place| *place != Place::Lock);
        match place {
            None => self.unknown.push(key.to_owned()),
            Some(
                Place::Latest | Place::Planned | Place::FollowUp | Place::Lock | Place::Suppressed | Place::OfErasure,
            ) => {
                self.at_root.insert(key.to_owned(), 0);
            }
            Some(Place::OfRun { run_id, .. }) => {
                let layout = RunLayout::new(run_id.as_str());
                let run = self.runs.entry(run_id).or_default();
                run.has_success |= key == layout.success();
                run.has_removed_tables |= key == layout.tables_removed();
                run.is_withdrawn |= key == layout.withdrawn();
                run.has_reported |= key == layout.report_digests();
                run.has_plan |= key == layout.plan();
            }
            Some(_) => {}
        }
    }

    /// The runs that are remembered; none where nothing whole says so.
    async fn read_planned(&self, output: &dyn Store) -> Result<Option<PlannedRuns>, Error> {
        if !self.at_root.contains_key(PLANNED) {
            return Ok(None);
        }
        let read = if_readable(output.get(PLANNED).await.map_err(Error::from))?;
        Ok(read.and_then(|stored| PlannedRuns::decode(&stored.bytes).ok()))
    }

    /// The plans that are whole.
    async fn read_plans(&self, output: &dyn Store) -> Result<BTreeMap<RunId, Plan>, Error> {
        let runs = self.runs.iter().filter(|(_, run)| run.has_plan).map(|(run_id, _)| run_id);
        let read = |run_id: &RunId| {
            let run_id = run_id.clone();
            async move { if_readable(planned::read_plan(output, &run_id).await).map(|plan| Some((run_id, plan?))) }
        };
        let reading: Vec<_> = runs.map(read).collect();
        let plans: Vec<Option<(RunId, Plan)>> =
            stream::iter(reading).buffer_unordered(pace::REQUESTS).try_collect().await?;
        Ok(plans.into_iter().flatten().collect())
    }

    /// The run that latest.json names, or, where that cannot be asked, the one that was planned last of those that
    /// succeeded.
    async fn find_newest(
        &self,
        output: &dyn Store,
        plans: &BTreeMap<RunId, Plan>,
    ) -> Result<Option<(RunId, Option<Plan>)>, Error> {
        let named = match self.at_root.contains_key(LATEST) {
            true => if_readable(latest::read(output).await)?.flatten().map(|latest| latest.run_id),
            false => None,
        };
        Ok(named
            .or_else(|| self.last_with_tables(&self.in_order(plans)))
            .map(|run_id| (run_id.clone(), plans.get(&run_id).cloned())))
    }

    /// The last one of these runs that succeeded and has its tables.
    fn last_with_tables(&self, ordered: &[RunId]) -> Option<RunId> {
        let has_tables = |run: &Run| run.has_success && !run.has_removed_tables;
        ordered.iter().rfind(|run_id| has_tables(&self.runs[run_id])).cloned()
    }

    /// The runs with a whole plan, the one that was planned first at the front.
    fn in_order(&self, plans: &BTreeMap<RunId, Plan>) -> Vec<RunId> {
        order::by_planning(plans.values().map(Planned::of).collect())
    }

    fn remember(&mut self, planned: Option<&PlannedRuns>) {
        let newest = self.newest.as_ref().map(|(run_id, _)| run_id);
        for (run_id, run) in &mut self.runs {
            let is_planned = planned.is_none_or(|planned| planned.run_ids().contains(run_id));
            run.is_remembered = is_planned || run.has_success || newest == Some(run_id);
        }
    }

    async fn find_needs(&self, output: &dyn Store, plans: &BTreeMap<RunId, Plan>) -> Result<Needs, Error> {
        let mut needs = Needs { is_in_doubt: self.runs.is_empty(), ..Needs::default() };
        for (run_id, run) in self.runs.iter().filter(|(_, run)| run.is_remembered) {
            let has_ended = run.has_reported || run.has_success;
            let is_clear = match plans.get(run_id) {
                Some(plan) => needs.add(output, plan, has_ended).await?,
                // Of a run that was ended while it was planned nobody takes anything.
                None => !(run.has_plan || has_ended),
            };
            if !is_clear {
                needs.is_in_doubt = true;
                needs.in_doubt_by.push(run_id.clone());
            }
        }
        Ok(needs)
    }

    pub(super) fn state(&self, run_id: &RunId) -> State {
        let run = self.runs[run_id];
        let is_marked = run.has_success || run.has_removed_tables;
        if !is_marked && self.lock.as_ref().is_some_and(|lock| lock.run_id == *run_id) {
            State::GoingOn
        } else if is_marked || run.has_reported {
            State::Ended
        } else if run.has_plan && (run.is_remembered || run.is_withdrawn) {
            State::Source
        } else {
            State::Forgotten
        }
    }

    pub(super) fn has_planned_any(&self) -> bool {
        self.runs.values().any(|run| run.has_plan)
    }

    pub(super) fn has_succeeded_any(&self) -> bool {
        self.runs.values().any(|run| run.has_success)
    }
}

/// What latest.json and planned.json should say, told by the plans that are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The runs that were planned, the last one first.
    pub planned: PlannedRuns,
    /// The newest one of those that succeeded.
    pub newest: Option<RunId>,
}

/// Reads all plans for what latest.json and planned.json should say.
///
/// # Errors
/// Those of the store.
pub async fn runs(output: &dyn Store) -> Result<Runs, Error> {
    let survey = Survey::of_keys(output).await?;
    let mut ordered = survey.in_order(&survey.read_plans(output).await?);
    let newest = survey.last_with_tables(&ordered);
    ordered.reverse();
    Ok(Runs { planned: PlannedRuns::new(ordered), newest })
}

/// The lock of a run that is going on, if another one than that of `ours`.
pub(super) async fn lock_of_others(output: &dyn Store, ours: Option<&RunId>) -> Result<Option<Lock>, Error> {
    let lock = if_readable(Lock::read(output).await)?.flatten();
    Ok(lock.filter(|lock| lock.is_held() && Some(&lock.run_id) != ours))
}

/// What runs that are remembered use. Names are held as the bytes that they are digits of: a run may have a million
/// parts.
#[derive(Debug, Default)]
pub(super) struct Needs {
    parts: HashSet<Name>,
    nodes: HashSet<Name>,
    fits: HashSet<Name>,
    /// A list of what is used cannot be read, or there is none.
    is_in_doubt: bool,
    /// The runs whose list cannot be.
    pub(super) in_doubt_by: Vec<RunId>,
}

pub(super) type Name = [u8; 32];

impl Needs {
    /// Adds what a run uses; false where its lists do not tell.
    async fn add(&mut self, output: &dyn Store, plan: &Plan, has_ended: bool) -> Result<bool, Error> {
        let Some(shards) = if_readable(planned::read_shards(output, plan).await)? else { return Ok(false) };
        let parts: Vec<String> = shards.into_iter().map(|shard| shard.part).collect();
        self.parts.extend(parts.iter().flat_map(|part| both(part, &plan.run_id)));
        if plan.merge_levels > 0 {
            let groups = tree::levels(&plan.run_id, parts).into_iter().flatten();
            self.nodes.extend(groups.flat_map(|group| both(&group.node, &plan.run_id)));
        }
        if !has_fits(plan) {
            return Ok(true);
        }
        if !output.exists(&RunLayout::new(plan.run_id.as_str()).fits()).await? {
            return Ok(!has_ended);
        }
        let Some(fits) = if_readable(Fits::read(output, &plan.run_id).await)? else { return Ok(false) };
        self.fits.extend(fits.names(plan)?.all().filter_map(name));
        Ok(true)
    }

    pub(super) fn part(&self, part: &str) -> bool {
        self.is_in_doubt || name(part).is_none_or(|part| self.parts.contains(&part))
    }

    pub(super) fn node(&self, node: &str) -> bool {
        self.is_in_doubt || name(node).is_none_or(|node| self.nodes.contains(&node))
    }

    pub(super) fn fit(&self, fit: &str) -> bool {
        self.is_in_doubt || name(fit).is_none_or(|fit| self.fits.contains(&fit))
    }
}

/// Whether a run fits models of its own by passes.
pub(super) fn has_fits(plan: &Plan) -> bool {
    plan.models_of.is_none() && plan.is_fitted_by_passes()
}

/// The names of moments that a run may use as these.
pub(super) fn both_names(moments: &str, run_id: &RunId) -> [String; 2] {
    [moments.to_owned(), names::name_of_this_run(moments, run_id.as_str())]
}

fn both(moments: &str, run_id: &RunId) -> impl Iterator<Item = Name> + use<> {
    both_names(moments, run_id).into_iter().filter_map(|moments| name(&moments))
}

/// A name that is a digest, as its bytes.
pub(super) fn name(digits: &str) -> Option<Name> {
    let mut name = Name::default();
    if digits.len() != 2 * name.len() {
        return None;
    }
    for (byte, digits) in name.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(name)
}
