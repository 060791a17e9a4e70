//! What must hold: after each success, and once the world has come to rest.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pomona_formats::listing;
use pomona_formats::lock_file::Lock;
use pomona_formats::planned::{self, Plan};
use pomona_formats::suppressed::Suppressed;
use pomona_results::latest;
use pomona_results::verify::{self, Consequence, Damaged, Missing};
use pomona_run::layout::{self, LOCK, RunLayout};
use pomona_run::place::Place as FilePlace;
use pomona_run::{Options, RunId};
use pomona_store::Store;
use pomona_store::testing::MemoryStore;

use crate::bucket::{Bucket, Place, etag_of};
use crate::deployed;
use crate::execution::Execution;
use crate::images::{Silent, Unseen, VERSIONS, run_objects};
use crate::world::World;

#[path = "../../../shared/stages/tests/support/result.rs"]
#[allow(dead_code, reason = "the stages' own tests need more")]
mod result;

/// So long whoever finds a lock whose time is over looks whether it is renewed (shared/stages/src/lock.rs).
const SECONDS_LOOKED_ON: i64 = 45;

/// Of runs that are long over, so many of the newest are looked at again: a schedule makes hundreds.
const MOST_LOOKED_AT_AGAIN: usize = 5;

/// What a run is for, byte by byte; or the name of the error that it ends with.
type Outcome = Result<BTreeMap<String, Vec<u8>>, String>;

/// Results of fresh runs by what determines them: digests of the images, of the options, the version.
#[derive(Default)]
pub(crate) struct Fresh(BTreeMap<(String, String, usize), Rc<Outcome>>);

type Contents = BTreeMap<String, Bytes>;

/// A run that succeeded, as its executor knows it.
pub(crate) struct Success<'a> {
    pub(crate) name: &'a str,
    pub(crate) run_id: RunId,
    pub(crate) started: DateTime<Utc>,
    /// It went on after it had failed, and others may have been made meanwhile.
    pub(crate) is_redriven: bool,
}

/// A run that succeeded is the newest, and its result that of a fresh run over the images that it listed.
pub(crate) async fn after_success(world: &Rc<World>, success: Success<'_>) {
    let Success { name, run_id, started, is_redriven } = &success;
    if world.output_changed.get().max(world.disturbed_until.get()) > *started {
        // Somebody deleted some of it under this run, or under one that was at work beside it then.
        return;
    }
    let output = snapshot(world);
    let newest = latest::read(&output).await.ok().flatten().map(|latest| latest.run_id);
    if *is_redriven && newest.as_ref() != Some(run_id) {
        // Others took its place, and it may have given its tables up at once (`KeepRuns`).
        return;
    }
    let is_newest = newest.as_ref() == Some(run_id) || follows(&output, newest.as_ref(), run_id).await;
    world.demand(is_newest, "the newest success is what latest.json says", || {
        format!("{name} succeeded as {run_id}, and latest.json says {newest:?}")
    });
    if newest.as_ref() != Some(run_id) {
        // It gave its tables up to the one that follows.
        return;
    }
    is_as_fresh(world, &output, (name, run_id, *started)).await;
    if world.violation.borrow().is_none() {
        world.demand_order(&output, run_id).await;
    }
}

/// The result of a run that began then is that of a fresh one over the images that it listed, none of which was erased.
pub(crate) async fn is_as_fresh(
    world: &Rc<World>,
    output: &MemoryStore,
    (name, run_id, started): (&str, &RunId, DateTime<Utc>),
) {
    let plan = planned::read_plan(output, run_id).await.expect("a run that succeeded has a plan");
    let listed = listed(world, output, &plan).await;
    let was_erased = |key: &&String| world.promises.borrow().get(*key).is_some_and(|since| *since < started);
    let erased = listed.keys().find(was_erased).cloned();
    world.demand(erased.is_none(), "what was erased stays away", || format!("{name} as {run_id} has {erased:?}"));
    let fresh = fresh(world, listed, &plan.options, version_of(&plan)).await;
    let result = result::result_of(output, run_id).await;
    let differing = match fresh.as_ref() {
        Ok(fresh) => differing(fresh, &result),
        Err(error) => Some(format!("a fresh run ends with {error}")),
    };
    world.demand(differing.is_none(), "the result of a fresh run", || {
        format!("{name} as {run_id}: {}", differing.unwrap_or_default())
    });
}

/// Whoever takes a program's lock over has seen for a while that nobody renews it, whatever the clocks say; and no
/// program takes the output while an execution is at work behind its plan.
pub(crate) fn lock_is_written(world: &World, output: &Bucket, after: &[u8]) {
    let Some(mine) = Lock::decode(after) else { return };
    let before = output.get(LOCK).and_then(|blob| Some((Lock::decode(&blob.bytes)?, blob.written)));
    if before.as_ref().is_some_and(|(before, _)| before.run_id == mine.run_id) {
        return;
    }
    if let Some((theirs, written)) = before.filter(|(theirs, _)| theirs.holder.starts_with("program")) {
        let seconds = (world.now() - written).num_seconds();
        world.demand(seconds >= SECONDS_LOOKED_ON, "one run past the lock", || {
            format!("{} has taken the lock that {} wrote {seconds} s ago", mine.holder, theirs.holder)
        });
    }
    if mine.holder.starts_with("program") {
        let other = world.at_work_behind_its_plan(output, "");
        world.demand(other.is_none(), "one run past the lock", || {
            format!("{} takes the output while {other:?} goes on", mine.holder)
        });
    }
}

/// Whether the newest run followed this one: a double of its report may have ended long before the one that was waited
/// for.
async fn follows(output: &MemoryStore, newest: Option<&RunId>, run_id: &RunId) -> bool {
    let Some(newest) = newest else { return false };
    planned::read_plan(output, newest).await.is_ok_and(|plan| plan.follows.as_ref() == Some(run_id))
}

impl World {
    /// What the newest run leaves is known by name, and older runs have given their tables up.
    async fn demand_order(&self, output: &MemoryStore, run_id: &RunId) {
        let is_known = |key: &str| {
            let folder = key.split_once('/').map_or(key, |(folder, _)| folder);
            let files = [layout::LATEST, layout::PLANNED, LOCK, layout::FOLLOW_UP, layout::SUPPRESSED];
            ["parts", "nodes", "sweeps", "runs", "erasures"].contains(&folder) || files.contains(&folder)
        };
        let unknown =
            self.with_bucket(Place::Output, |bucket| bucket.objects().keys().find(|key| !is_known(key)).cloned());
        self.demand(unknown.is_none(), "what is left belongs to a run", || format!("{unknown:?} belongs to none"));
        let layout = RunLayout::new(run_id.as_str());
        let is_whole = output.exists(&layout.success()).await.is_ok_and(|exists| exists);
        self.demand(is_whole, "a run that succeeded is marked", || format!("{run_id} has no mark"));
    }
}

/// Once nothing goes wrong any more and a run has succeeded over the images that are there.
pub(crate) async fn at_rest(world: &Rc<World>) {
    let output = snapshot(world);
    let excess = world.bill.borrow().excess();
    world.demand(excess.is_none(), "nothing is computed twice unless something failed", || excess.unwrap_or_default());
    let objects = output.objects();
    world.demand(!objects.contains_key(LOCK), "the lock is given back", || "lock.json stays".to_owned());
    let verified = verify::verify(&output, None, &Unseen).await.expect("there is an output");
    // Of a run that was ended while it was planned anew, one list may be of either plan.
    let is_harmed = |run_id: &RunId| world.harmed.borrow().contains(run_id);
    let is_told = |damaged: &&Damaged| match &damaged.follows {
        Consequence::NotTakenOver => false,
        Consequence::Rerun(run_id) => !is_harmed(run_id),
        _ => true,
    };
    let damaged = verified.damaged.iter().find(is_told);
    world.demand(damaged.is_none(), "every file is whole", || format!("{damaged:?}"));
    // Of a part one file may expire before another; a report may have been killed before it marked its run.
    let is_missed = |missing: &&Missing| !matches!(missing.follows, Consequence::Unmarked(_));
    let missing = verified.missing.iter().find(is_missed).filter(|_| !world.bill.borrow().has_forgotten());
    world.demand(missing.is_none(), "every file is there", || format!("{missing:?}"));
    let is_mixed = |key: &String| FilePlace::run_of(key).is_some_and(|run_id| is_harmed(&run_id));
    let unknown: Vec<&String> = verified.unknown.iter().filter(|key| !is_mixed(key)).collect();
    world.demand(unknown.is_empty(), "what is left belongs to a run", || format!("no run writes {unknown:?}"));
    // Where requests are slow removing falls behind, as a run goes on with it for two minutes only; and what planned.json
    // named is forgotten where somebody deleted it.
    let is_undisturbed = world.has_been_calm() && world.output_changed.get() == DateTime::UNIX_EPOCH;
    let keep = if is_undisturbed { world.setting.keep_runs as usize } else { 0 };
    let run_of_mark = |key: &String| key.strip_prefix("runs/")?.strip_suffix("/_SUCCESS")?.parse().ok();
    let marked: Vec<RunId> = objects.keys().filter_map(run_of_mark).collect();
    let marks = marked.len();
    world.demand(keep == 0 || marks <= keep, "older runs give up their tables", || format!("{marks} runs have tables"));
    if world.output_changed.get() == DateTime::UNIX_EPOCH {
        still_as_fresh(world, &output, &marked).await;
    }
    if !world.has_been_calm() || world.output_changed.get() > DateTime::UNIX_EPOCH {
        // Of two calls for one part one may keep what it has found when the other has finished. It expires like parts.
        return;
    }
    let fragment = objects.keys().find(|key| {
        let part = key.strip_prefix("parts/fragments/").and_then(|rest| rest.split_once('/'));
        part.is_some_and(|(part, _)| objects.contains_key(&layout::part_moments(part)))
    });
    world.demand(fragment.is_none(), "what is left belongs to a run", || {
        format!("{fragment:?} is of a part that is there")
    });
}

/// Whatever calls that were given up have written since, runs are still what they were when they succeeded.
async fn still_as_fresh(world: &Rc<World>, output: &MemoryStore, marked: &[RunId]) {
    // What began to give up its tables may have been left amid that.
    let is_kept = |run_id: &&RunId| !output.objects().contains_key(&RunLayout::new(run_id.as_str()).tables_removed());
    for run_id in marked.iter().rev().filter(is_kept).take(MOST_LOOKED_AT_AGAIN) {
        let started = planned::read_plan(output, run_id).await.expect("a run that succeeded has a plan").started;
        is_as_fresh(world, output, ("in the end", run_id, started)).await;
    }
}

/// What a fresh run over the images that are there now comes to.
pub(crate) async fn fresh_now(world: &Rc<World>, options: &Options) -> Rc<Outcome> {
    let mut images = world.with_bucket(Place::Input, |bucket| bucket.contents());
    if let Some(suppressed) = Suppressed::read(&snapshot(world)).await.expect("it is whole") {
        images.retain(|key, _| !suppressed.has(key));
    }
    fresh(world, images, options, world.version.get()).await
}

pub(crate) fn run_id(execution: &Execution) -> RunId {
    RunId::new(execution.started, &execution.name)
}

/// The options and the result of the run that latest.json names.
pub(crate) async fn newest(world: &World) -> Option<(Options, BTreeMap<String, Vec<u8>>)> {
    let output = snapshot(world);
    let run_id = latest::read(&output).await.ok().flatten()?.run_id;
    let plan = planned::read_plan(&output, &run_id).await.ok()?;
    Some((plan.options, result::result_of(&output, &run_id).await))
}

pub(crate) fn snapshot(world: &World) -> MemoryStore {
    MemoryStore::new(Place::Output.location(), world.with_bucket(Place::Output, |bucket| bucket.contents()))
}

/// The output with all that its bucket keeps.
pub(crate) async fn snapshot_with_versions(world: &World) -> MemoryStore {
    let output = MemoryStore::new(Place::Output.location(), Contents::new()).with_versions();
    for (key, written) in world.with_bucket(Place::Output, |bucket| bucket.writes()) {
        let done = match written {
            Some(bytes) => output.put(&key, bytes).await,
            None => output.delete(&key).await,
        };
        done.expect("a store that does as it is told");
    }
    output
}

async fn listed(world: &World, output: &MemoryStore, plan: &Plan) -> Contents {
    let mut images = Contents::new();
    for shard in planned::read_shards(output, plan).await.expect("shards") {
        let key = RunLayout::new(plan.run_id.as_str()).listing(shard.shard, &shard.listing_sha256);
        let listing = output.get(&key).await.expect("a listing").bytes;
        for row in listing::decode(&key, listing).expect("a listing") {
            let etag = row.item.version.expect("S3 has etags");
            images.insert(row.item.id, world.contents.borrow()[&etag].clone());
        }
    }
    images
}

fn version_of(plan: &Plan) -> usize {
    (0..VERSIONS).find(|&version| deployed::recipe(version) == plan.recipe).expect("a version that was deployed")
}

async fn fresh(world: &World, images: Contents, options: &Options, version: usize) -> Rc<Outcome> {
    let names: String = images.iter().map(|(key, bytes)| format!("{key} {}\n", etag_of(bytes))).collect();
    let options_as_text = serde_json::to_string(options).expect("options are JSON");
    let key = (etag_of(names.as_bytes()), options_as_text, version);
    if let Some(fresh) = world.fresh.borrow().0.get(&key) {
        return fresh.clone();
    }
    let outcome = Rc::new(run(images, options, version).await);
    world.fresh.borrow_mut().0.insert(key, outcome.clone());
    outcome
}

/// A run in one process, over stores that do as they are told.
async fn run(images: Contents, options: &Options, version: usize) -> Outcome {
    let output = MemoryStore::new("out", Contents::new());
    let pool = deployed::pool(version);
    match run_objects(images, &output, (options, None), &pool, &Silent).await {
        Ok(summary) => Ok(result::result_of(&output, &summary.plan.run_id).await),
        Err(error) => Err(error.name().as_str().to_owned()),
    }
}

/// The first file that two results do not share.
pub(crate) fn differing(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let names = one.keys().chain(other.keys());
    let name = names.into_iter().find(|name| one.get(*name) != other.get(*name))?;
    let length = |files: &BTreeMap<String, Vec<u8>>| files.get(name).map(Vec::len);
    Some(format!("{name} has {:?} bytes instead of {:?}", length(other), length(one)))
}
