//! A run as AWS would carry it out: how long each stage takes, what it uses, and which limits it meets.
//!
//! Children of a Map are simulated one by one; everything else follows from counts. Nothing in it is random.

mod limits;
mod map_run;
mod throttling;

use pomona_run::function::Function;
use pomona_run::stage::Stage;
use serde::{Deserialize, Serialize};

pub use limits::{Flag, OPEN_MAP_RUNS};
use map_run::{MapOutcome, MapRun};
use throttling::{Passes, Throttled};

use crate::error::Error;
use crate::usage::{FunctionUsage, GB, Requests, Stored, Uploads, Usage};
use crate::watching;
use crate::work::{self, Work};
use crate::workload::{Children, LAMBDA_QUOTA, New, Workload};

/// The GB for which an EXPRESS execution of one state is billed: the least, 64 MB (Step Functions pricing).
const EXPRESS_GB: f64 = 64.0 / 1024.0;
/// EXPRESS executions are billed in steps of so many seconds.
const EXPRESS_STEP: f64 = 0.1;
/// Requests to S3 for which KMS is called once. AWS says of bucket keys that they save "up to 99 percent" (S3 guide,
/// bucket keys).
const REQUESTS_PER_KMS_CALL: u64 = 100;

/// How one stage went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRun {
    /// The stage.
    pub stage: Stage,
    /// The function that it calls.
    pub function: Function,
    /// Calls.
    pub calls: u64,
    /// Whether they are children of a Distributed Map.
    pub is_map: bool,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Seconds of all calls together.
    pub call_seconds: f64,
    /// Seconds of the slowest call.
    pub slowest: f64,
    /// Most calls at once.
    pub most_at_once: u32,
    /// How often a Map was entered, because children that found no Lambda free gave up.
    pub passes: u32,
    /// Seconds for which its children waited for a Lambda, all together.
    pub waited: f64,
    /// Requests to S3.
    pub requests: Requests,
    /// Requests that S3 refused, and that were repeated.
    pub refused: f64,
}

/// A simulated run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// What was run.
    pub workload: Workload,
    /// Shards.
    pub shards: u64,
    /// Groups of each merge level.
    pub merges: Vec<u64>,
    /// The stages in order. CheckParts is a part of extract; each level of combine stands for itself.
    pub stages: Vec<StageRun>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// What is used.
    pub usage: Usage,
    /// Memory in MB that plan, list-batch and reduce need.
    pub memory_mb: [f64; 3],
    /// Events in the execution's history.
    pub history_events: u64,
    /// Limits that are met.
    pub flags: Vec<Flag>,
}

/// Simulates the first run over a workload.
///
/// # Errors
/// Those of [`Workload::check`].
pub fn simulate(workload: &Workload) -> Result<Simulation, Error> {
    simulate_new(workload, workload.all_new())
}

/// Simulates a run of which only `new` was not computed before.
///
/// # Errors
/// Those of [`Workload::check`].
pub fn simulate_new(workload: &Workload, new: New) -> Result<Simulation, Error> {
    workload.check()?;
    let (mut stages, mut flags) = (Vec::new(), Vec::new());
    for work in work::of(workload, new) {
        stages.push(stage_run(workload, &work, &mut flags));
    }
    let states = States::of(workload, new, &stages);
    let memory_mb = [work::plan_mb(workload), work::list_batch_mb(workload), work::reduce_mb(workload)];
    flags.extend(flags_of(workload, &stages, memory_mb, states.events()));
    Ok(Simulation {
        workload: workload.clone(),
        shards: workload.shards(),
        merges: workload.merges(),
        seconds: stages.iter().map(|stage| stage.seconds).sum(),
        usage: usage(workload, new, &stages, work::stored(workload)),
        stages,
        memory_mb,
        history_events: states.events(),
        flags,
    })
}

impl Simulation {
    /// Whether the run would fail.
    pub fn fails(&self) -> bool {
        self.flags.iter().any(Flag::is_fatal)
    }

    /// Seconds of a stage, its levels and checks added up.
    pub fn stage_seconds(&self, stage: Stage) -> f64 {
        self.stages.iter().filter(|run| run.stage == stage).map(|run| run.seconds).sum()
    }
}

fn stage_run(workload: &Workload, work: &Work, flags: &mut Vec<Flag>) -> StageRun {
    let run = StageRun {
        stage: work.stage,
        function: work.function,
        calls: work.calls,
        is_map: work.is_map,
        seconds: work.seconds,
        call_seconds: work.seconds,
        slowest: work.seconds,
        most_at_once: 1,
        passes: 1,
        waited: 0.0,
        requests: work.requests,
        refused: 0.0,
    };
    if !work.is_map {
        return run;
    }
    let map = map_of(workload, work);
    let outcome: MapOutcome = map.run();
    if outcome.refused > 0.0 {
        flags.push(Flag::SlowDown {
            stage: work.stage.to_string(),
            wanted: outcome.wanted_per_second,
            served: map.served_per_second,
        });
    }
    let run = StageRun {
        seconds: outcome.seconds + work::MAP_OVERHEAD,
        call_seconds: outcome.child_seconds,
        slowest: outcome.slowest,
        most_at_once: outcome.most_at_once,
        refused: outcome.refused,
        ..run
    };
    if map.at_once < children_at_once(workload) { throttled(workload, run, flags) } else { run }
}

/// A Map whose children ask for more Lambdas than are free.
fn throttled(workload: &Workload, run: StageRun, flags: &mut Vec<Flag>) -> StageRun {
    let map = Throttled {
        children: run.calls,
        at_once: children_at_once(workload),
        free: workload.free_lambdas,
        seconds: run.call_seconds / run.calls as f64,
    };
    let Passes { passes, seconds, waited, is_lost, .. } = map.run();
    if waited > 0.0 {
        flags.push(Flag::Throttled { stage: run.stage.to_string(), passes, is_lost });
    }
    StageRun { seconds: seconds.max(run.seconds) + work::MAP_OVERHEAD * f64::from(passes), passes, waited, ..run }
}

fn children_at_once(workload: &Workload) -> u32 {
    workload.concurrency.min(limits::CHILDREN_AT_ONCE)
}

fn map_of(workload: &Workload, work: &Work) -> MapRun {
    let (requests, served_per_second) = match work.stage {
        // The images lie in the input bucket; everything else in the output bucket, of which the busiest folder is
        // taken.
        Stage::Extract => (work.image_gets, limits::GETS_PER_SECOND * f64::from(workload.partitions)),
        Stage::Project => (work.requests.puts, limits::PUTS_PER_SECOND),
        _ => (work.requests.gets, limits::GETS_PER_SECOND),
    };
    MapRun {
        children: work.calls,
        at_once: children_at_once(workload).min(workload.free_lambdas),
        starts_per_second: match workload.children {
            Children::Standard => Some(limits::STANDARD_STARTS_PER_SECOND),
            Children::Express => None,
        },
        seconds: work.seconds,
        requests: requests as f64 / work.calls as f64,
        served_per_second,
    }
}

/// What `stages` used. A function is paid for its memory and time, list-batch also for getting ready.
pub(crate) fn usage(workload: &Workload, new: New, stages: &[StageRun], stored: Stored) -> Usage {
    let functions = Function::ALL.map(|function| function_usage(workload, function, stages));
    let invocations: u64 = functions.iter().map(|used| used.requests).sum();
    let maps: Vec<&StageRun> = stages.iter().filter(|stage| stage.is_map).collect();
    let children: u64 = maps.iter().map(|map| map.calls).sum();
    // Step Functions itself reads each Map's list and writes its results and their manifest.
    let of_maps = Requests { gets: maps.len() as u64, puts: 2 * maps.len() as u64, lists: 0 };
    let requests = stages.iter().fold(of_maps, |sum, stage| sum.plus(stage.requests));
    let states = States::of(workload, new, stages).count();
    let (transitions, express_requests, express_gb_seconds) = match workload.children {
        Children::Standard => (states + children, 0, 0.0),
        Children::Express => (states, children, maps.iter().map(|map| express_gb_seconds(map)).sum()),
    };
    Usage {
        architecture: workload.architecture,
        functions: functions.into_iter().filter(|used| used.requests > 0).collect(),
        transitions,
        express_requests,
        express_gb_seconds,
        kms_calls: (requests.gets + requests.puts).div_ceil(REQUESTS_PER_KMS_CALL),
        image_decrypts: if workload.no_bucket_key { work::input_gets(workload, new) } else { 0 },
        metric_hours: watching::metric_hours(stages.iter().map(|stage| stage.seconds).sum()),
        log_bytes: invocations * watching::LOG_BYTES,
        uploads: workload.uploads.then(|| Uploads {
            events: new.images,
            queue_requests: watching::queue_requests(new.images),
            polls: watching::POLLS_PER_MONTH,
        }),
        requests,
        stored,
    }
}

fn function_usage(workload: &Workload, function: Function, stages: &[StageRun]) -> FunctionUsage {
    let (memory_mb, cold_start) = match function {
        Function::Plan => (workload.plan_memory, 0.0),
        Function::ListBatch => (workload.list_batch_memory, work::COLD_START),
        _ => (workload.other_memory, 0.0),
    };
    let own: Vec<&StageRun> = stages.iter().filter(|stage| stage.function == function).collect();
    let seconds: f64 = own.iter().map(|stage| stage.call_seconds + cold_start * f64::from(stage.most_at_once)).sum();
    FunctionUsage {
        function,
        requests: own.iter().map(|stage| stage.calls).sum(),
        gb_seconds: seconds * f64::from(memory_mb) * f64::from(1 << 20) / GB,
    }
}

fn express_gb_seconds(map: &StageRun) -> f64 {
    let child = (map.call_seconds + map.waited) / map.calls as f64;
    map.calls as f64 * (child / EXPRESS_STEP).ceil() * EXPRESS_STEP * EXPRESS_GB
}

/// The states that the execution enters, by how many events each leaves in its history.
struct States {
    passes_and_choices: u64,
    tasks: u64,
    maps: u64,
}

impl States {
    fn of(workload: &Workload, new: New, stages: &[StageRun]) -> Self {
        // Start, IsAnyPartMissing, IsCombiningNeeded, IsFitted, AllShards, IsProjectDone; Plan, Reduce, CheckTables,
        // Report; Project.
        let mut states = Self { passes_and_choices: 6, tasks: 4, maps: 1 };
        if new.shards > 0 {
            // AllMissing, IsExtractDone; CheckParts; Extract.
            states.passes_and_choices += 2;
            states.tasks += 1;
            states.maps += 1;
        }
        if workload.is_fitted_by_passes() {
            // IsFitted once more than there are passes, FirstPass; then AllGroups, IsPassDone; Reduce, CheckSums; Sweep
            // for each pass.
            let passes = workload.all_passes();
            states.passes_and_choices += 1 + 3 * passes;
            states.tasks += 2 * passes;
            states.maps += passes;
        }
        let levels = (workload.merges().len() as u64).saturating_sub(1);
        if levels > 0 {
            // FirstLevel; then Level, IsLevelDone, NextLevel, IsAnyLevelLeft; CheckNodes; Combine for each level.
            states.passes_and_choices += 1 + 4 * levels;
            states.tasks += levels;
            states.maps += levels;
        }
        // A Map that is entered again: the Map, its check, a choice, and the pass that leads back.
        let again: u64 = stages.iter().map(|stage| u64::from(stage.passes - 1)).sum();
        states.passes_and_choices += 2 * again;
        states.tasks += again;
        states.maps += again;
        states
    }

    fn count(&self) -> u64 {
        self.passes_and_choices + self.tasks + self.maps
    }

    /// Entered and exited; scheduled, started and succeeded for a task; started and succeeded for a Map and for its Map
    /// Run; and the execution's own start and end. The children have histories of their own.
    fn events(&self) -> u64 {
        2 * self.passes_and_choices + 5 * self.tasks + 6 * self.maps + 2
    }
}

fn flags_of(workload: &Workload, stages: &[StageRun], memory_mb: [f64; 3], history_events: u64) -> Vec<Flag> {
    let mut flags = Vec::new();
    let at_once = stages.iter().map(|stage| stage.most_at_once).max().unwrap_or(0);
    if workload.concurrency > limits::CHILDREN_AT_ONCE {
        flags.push(Flag::ChildrenAtOnce { concurrency: workload.concurrency });
    }
    if at_once > LAMBDA_QUOTA {
        flags.push(Flag::LambdaQuota { at_once });
    }
    // Of the passes of a fit, which are a stage each, the slowest.
    for function in Function::ALL {
        let own = stages.iter().filter(|stage| stage.function == function);
        let Some(slowest) = own.max_by(|a, b| a.slowest.total_cmp(&b.slowest)) else { continue };
        let limit = seconds_allowed(workload, slowest);
        if slowest.slowest > limit {
            flags.push(Flag::Time { function: function.to_string(), seconds: slowest.slowest, limit });
        }
    }
    let [plan, list_batch, reduce] = memory_mb;
    let needs = [
        (Function::Plan, plan, workload.plan_memory),
        (Function::ListBatch, list_batch, workload.list_batch_memory),
        (Function::Reduce, reduce, workload.other_memory),
    ];
    let too_small = needs.into_iter().filter(|&(_, needs_mb, has_mb)| needs_mb > f64::from(has_mb));
    flags.extend(too_small.map(|(function, needs_mb, has_mb)| Flag::Memory {
        function: function.to_string(),
        needs_mb,
        has_mb,
    }));
    if history_events > limits::HISTORY_EVENTS {
        flags.push(Flag::History { events: history_events });
    }
    let bytes = work::items_bytes(workload);
    if bytes > limits::ITEMS_BYTES {
        flags.push(Flag::Items { bytes });
    }
    flags
}

fn seconds_allowed(workload: &Workload, stage: &StageRun) -> f64 {
    let own = match stage.function {
        Function::Plan => limits::PLAN_SECONDS,
        Function::ListBatch => f64::from(workload.list_batch_timeout),
        Function::Sweep => limits::SWEEP_SECONDS,
        Function::Reduce | Function::ProjectMap | Function::Report => limits::FUNCTION_SECONDS,
    };
    let is_express = stage.is_map && workload.children == Children::Express;
    if is_express { own.min(limits::EXPRESS_SECONDS) } else { own }
}
