//! Living through a history.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use pomona_run::Options;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::asl::Machine;
use crate::context;
use crate::erasures::{self, When};
use crate::history::History;
use crate::invariants;
use crate::log;
use crate::met::Met;
use crate::panics;
use crate::world::{Violation, World};

thread_local! {
    static MACHINE: Rc<Machine> = Rc::new(Machine::read());
}

/// The longest that the world may take to come to rest: an execution's day, and what may follow it.
const LONGEST_UNREST: Duration = Duration::from_secs(6 * 86_400);

/// A program's lease, and as much as clocks may differ.
const LONGEST_LEASE: Duration = Duration::from_secs(90 + 2 * 900);

/// What came of a history.
#[derive(Debug, Default)]
pub struct Lived {
    /// What did not hold, and how.
    pub violation: Option<String>,
    /// What happened, where it was to be told.
    pub timeline: Vec<String>,
    /// Executions of the state machine.
    pub executions: usize,
    /// What it came across.
    pub met: Met,
}

/// Lives through the history of a seed.
pub fn live(seed: u64) -> Lived {
    live_through(&History::of(seed), false)
}

/// All that happens in the history of a seed, line by line.
pub fn trace(seed: u64) -> Vec<String> {
    live_through(&History::of(seed), true).timeline
}

pub(crate) fn live_through(history: &History, is_told: bool) -> Lived {
    log::start();
    panics::watch();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = LocalSet::new();
    let runtime = runtime.expect("a runtime");
    let life = || local.block_on(&runtime, live_until_rest(history, is_told));
    let lived = panic::catch_unwind(AssertUnwindSafe(life));
    let left = panic::catch_unwind(AssertUnwindSafe(|| drop(local)));
    let has_panicked = lived.is_err() || left.is_err();
    let lived = lived.unwrap_or_default();
    match panics::first().or_else(|| has_panicked.then(|| "before there was a world, or after".to_owned())) {
        None => lived,
        panicked => Lived { violation: panicked.map(|panicked| format!("nobody panics: {panicked}")), ..lived },
    }
}

async fn live_until_rest(history: &History, is_told: bool) -> Lived {
    let world = World::new(history, MACHINE.with(Rc::clone), is_told);
    let _entered = context::enter(world.clone());
    tokio::select! {
        biased;
        () = world.violated.notified() => {}
        () = course(&world, history) => {}
    }
    let violation = world.violation.borrow().clone();
    Lived {
        violation: violation.map(|Violation { invariant, what }| format!("{invariant}: {what}")),
        timeline: world.timeline(),
        executions: world.executions.borrow().len(),
        met: Met { dearest: world.bill.borrow().multiple(), ..world.met.borrow().clone() },
    }
}

async fn course(world: &Rc<World>, history: &History) {
    spawn_local(world.clone().poll_queue());
    spawn_local(world.clone().expire());
    let schedule = spawn_local(world.clone().follow_schedule());
    for (gap, deed) in &history.deeds {
        sleep(*gap).await;
        world.act(deed).await;
    }
    // What is under way meets the weather still.
    drop(timeout(world.storm(), rest(world)).await);
    schedule.abort();
    world.note(|| "the world calms down".to_owned());
    world.calm_down();
    if timeout(LONGEST_UNREST, rest(world)).await.is_err() {
        world.demand(false, "the world comes to rest", || "it does not".to_owned());
        return;
    }
    demand_that_a_run_followed(world).await;
    demand_that_uploads_start_no_more_than_they_may(world);
    let has_erasures = erasures::are_among(&history.deeds);
    if has_erasures {
        erasures::end(world, When::BeforeTheLastRun).await;
    }
    let has_succeeded = end_with_a_success(world).await;
    if has_erasures && has_succeeded {
        erasures::end(world, When::AfterTheLastRun).await;
    }
}

/// Waits until nothing is under way.
async fn rest(world: &World) {
    while !(world.going().is_empty() && world.queue.is_empty() && world.at_work.get() == 0) {
        sleep(Duration::from_secs(30)).await;
    }
}

/// After the last change of the input a run starts by itself, or an alarm says why not.
async fn demand_that_a_run_followed(world: &Rc<World>) {
    let changed = world.input_changed.get();
    let follows = |started| started >= changed;
    let has_followed =
        world.executions.borrow().iter().any(|execution| execution.is_run() && follows(execution.started));
    let is_told = world.queue.lost.get().is_some_and(follows);
    if has_followed || is_told || !world.setting.starts_on_uploads {
        return;
    }
    let is_up_to_date = match invariants::newest(world).await {
        Some((options, result)) => {
            let fresh = invariants::fresh_now(world, &options).await;
            fresh.as_ref().as_ref().is_ok_and(|fresh| invariants::differing(fresh, &result).is_none())
        }
        None => false,
    };
    world.demand(is_up_to_date, "a run follows the last upload", || format!("none since {changed}"));
}

/// Runs that uploads start begin no sooner than the interval after one another; but where the trigger cannot know what
/// was started, or goes on with what it knew long ago.
fn demand_that_uploads_start_no_more_than_they_may(world: &World) {
    if world.may_be_mistaken_about_time() {
        return;
    }
    let executions = world.executions.borrow();
    let by_uploads: Vec<_> = executions.iter().filter(|execution| execution.name.starts_with("uploads-")).collect();
    let interval = TimeDelta::minutes(world.setting.minutes_between_runs as i64);
    let early = by_uploads.windows(2).find(|pair| pair[1].started - pair[0].started < interval);
    world.demand(early.is_none(), "uploads start no more runs than the interval allows", || {
        format!("{:?}", early.map(|pair| [&pair[0].name, &pair[1].name]))
    });
}

impl World {
    /// Nobody can ask whether a program is gone: its lock ends by itself, by its own clock.
    pub(crate) async fn let_leases_end(&self) {
        if self.programs.get() > 0 {
            sleep(LONGEST_LEASE).await;
        }
    }
}

/// Somebody starts a run, which succeeds as a fresh one does, and leaves everything in order; false where neither does.
async fn end_with_a_success(world: &Rc<World>) -> bool {
    sleep(Duration::from_secs(2)).await;
    world.let_leases_end().await;
    world.start_by_hand("", &world.setting.run_options);
    let execution = world.executions.borrow().last().cloned().expect("one was started");
    rest(world).await;
    let options: Options = serde_json::from_value(world.setting.run_options.clone()).expect("options");
    let fresh = invariants::fresh_now(world, &options).await;
    match (fresh.as_ref(), execution.error()) {
        (Ok(fresh), None) => {
            let newest = invariants::newest(world).await.map(|(_, result)| result).unwrap_or_default();
            let differing = invariants::differing(fresh, &newest);
            world.demand(differing.is_none(), "the result of a fresh run", || {
                format!("over all images that are there: {}", differing.unwrap_or_default())
            });
            invariants::at_rest(world).await;
        }
        (Err(expected), Some(error)) if *expected == error => {}
        (fresh, error) => {
            let fresh = fresh.as_ref().err();
            world.demand(false, "the result of a fresh run", || {
                format!("a last run ends with {error:?}, a fresh one with {fresh:?}")
            });
        }
    }
    world.demand(execution.started + TimeDelta::days(1) > world.now(), "the world comes to rest", || {
        "a last run took more than a day".to_owned()
    });
    fresh.is_ok()
}
