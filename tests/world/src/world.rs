//! A world: a bucket for images and one for results, functions, executions, a queue, and time that passes when all of
//! them wait.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use pomona_run::layout::RunLayout;
use pomona_run::{ErrorName, RunId};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::asl::Machine;
use crate::bucket::{Bucket, Objects, Place};
use crate::deployed::Functions;
use crate::dice::Dice;
use crate::execution::{Execution, Status};
use crate::function::Name;
use crate::history::{History, Setting};
use crate::images::LABELS;
use crate::invariants::{self, Fresh, Success};
use crate::lambda::Deployed;
use crate::met::{Met, Trouble};
use crate::queue::Queue;
use crate::s3::Prefixes;
use crate::weather::{STORM, Weather};

/// What must hold and did not.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) setting: Setting,
    pub(crate) machine: Rc<Machine>,
    pub(crate) executions: RefCell<Vec<Rc<Execution>>>,
    pub(crate) queue: Queue,
    pub(crate) calls_at_once: Cell<usize>,
    /// Functions that have not ended, those that were given up included.
    pub(crate) at_work: Cell<usize>,
    /// Functions and programs that ever were.
    pub(crate) ever_at_work: Cell<u64>,
    /// The version that is deployed.
    pub(crate) version: Cell<usize>,
    /// Every image that ever was, by its etag.
    pub(crate) contents: RefCell<BTreeMap<String, Bytes>>,
    /// What somebody deleted at the output.
    pub(crate) deleted: RefCell<Option<Objects>>,
    /// When the input, and when somebody changed the output, for the last time.
    pub(crate) input_changed: Cell<DateTime<Utc>>,
    pub(crate) output_changed: Cell<DateTime<Utc>>,
    /// When the last run ended under which somebody had changed the output: it may have lost its lock to that.
    pub(crate) disturbed_until: Cell<DateTime<Utc>>,
    /// Runs of executions under which somebody has changed the output: calls that were given up may have taken what was
    /// deleted for what was never there.
    pub(crate) harmed: RefCell<BTreeSet<RunId>>,
    pub(crate) bill: RefCell<crate::bill::Bill>,
    pub(crate) fresh: RefCell<Fresh>,
    pub(crate) prefixes: RefCell<Prefixes>,
    /// The output as it was before each thing that somebody did: a bucket keeps the versions of its objects.
    pub(crate) earlier_outputs: RefCell<Vec<Objects>>,
    /// Images that are gone for good, as far as people were told, and since when.
    pub(crate) promises: RefCell<BTreeMap<String, DateTime<Utc>>>,
    /// Programs on people's machines, ended or not, and the versions of those that run.
    pub(crate) programs: Cell<u64>,
    pub(crate) versions_of_programs: RefCell<Vec<usize>>,
    /// The first execution that enters this state is stopped.
    pub(crate) stop_in: RefCell<Option<String>>,
    /// The one that was.
    pub(crate) stopped: RefCell<Option<String>>,
    /// Somebody presses Ctrl-C.
    pub(crate) interrupt: Notify,
    pub(crate) violation: RefCell<Option<Violation>>,
    /// Told of the first violation.
    pub(crate) violated: Notify,
    pub(crate) met: RefCell<Met>,
    weather: Weather,
    began: Instant,
    is_calm: Cell<bool>,
    functions: Functions,
    buckets: RefCell<[Bucket; 2]>,
    /// Lines for people, where the history is told.
    timeline: Option<RefCell<Vec<String>>>,
}

impl World {
    /// The world as it is before a history. Its time is that of the runtime's paused clock.
    pub(crate) fn new(history: &History, machine: Rc<Machine>, is_told: bool) -> Rc<Self> {
        let epoch = DateTime::UNIX_EPOCH;
        Rc::new(Self {
            seed: history.seed,
            setting: history.setting.clone(),
            machine,
            executions: RefCell::default(),
            queue: Queue::default(),
            calls_at_once: Cell::new(0),
            at_work: Cell::new(0),
            ever_at_work: Cell::new(0),
            version: Cell::new(0),
            contents: RefCell::default(),
            deleted: RefCell::default(),
            input_changed: Cell::new(epoch),
            output_changed: Cell::new(epoch),
            disturbed_until: Cell::new(epoch),
            harmed: RefCell::default(),
            bill: RefCell::default(),
            fresh: RefCell::default(),
            prefixes: RefCell::default(),
            earlier_outputs: RefCell::default(),
            promises: RefCell::default(),
            programs: Cell::new(0),
            versions_of_programs: RefCell::default(),
            stop_in: RefCell::default(),
            stopped: RefCell::default(),
            interrupt: Notify::new(),
            violation: RefCell::default(),
            violated: Notify::new(),
            met: RefCell::default(),
            weather: history.weather.clone(),
            began: Instant::now(),
            is_calm: Cell::new(false),
            functions: Functions::new(&history.setting),
            buckets: RefCell::new(match history.setting.keeps_versions {
                true => [Bucket::default(), Bucket::with_versions()],
                false => Default::default(),
            }),
            timeline: is_told.then(RefCell::default),
        })
    }

    /// The true time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        // Monday morning.
        let began = DateTime::from_timestamp(1_767_600_000, 0).expect("a time");
        began + TimeDelta::from_std(self.began.elapsed()).expect("no more than weeks pass")
    }

    /// What can go wrong just now.
    pub(crate) fn weather(&self) -> Weather {
        if self.is_calm.get() { Weather::CALM } else { self.weather.clone() }
    }

    pub(crate) fn calm_down(&self) {
        self.is_calm.set(true);
    }

    pub(crate) fn has_been_calm(&self) -> bool {
        self.weather.is_calm()
    }

    /// Whether functions may take another time for now, or have learned of executions long before they act on it.
    pub(crate) fn may_be_mistaken_about_time(&self) -> bool {
        let Weather { clocks_differ, list_lag, frozen, .. } = self.weather;
        clocks_differ || !list_lag.is_zero() || frozen > 0.0
    }

    /// How long it may take until the world calms down.
    pub(crate) fn storm(&self) -> Duration {
        if self.has_been_calm() { Duration::ZERO } else { STORM }
    }

    pub(crate) fn function(&self, name: Name) -> Deployed {
        self.functions.get(name, self.version.get())
    }

    pub(crate) fn with_bucket<T>(&self, place: Place, look: impl FnOnce(&mut Bucket) -> T) -> T {
        look(&mut self.buckets.borrow_mut()[place as usize])
    }

    pub(crate) fn count(&self, trouble: Trouble) {
        *self.met.borrow_mut().troubles.entry(trouble).or_default() += 1;
    }

    /// Tells of what happens.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if let Some(timeline) = &self.timeline {
            timeline.borrow_mut().push(format!("{} {}", self.now().format("%d.%m. %H:%M:%S%.3f"), what()));
        }
    }

    pub(crate) fn timeline(&self) -> Vec<String> {
        self.timeline.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }

    /// Demands that something holds.
    pub(crate) fn demand(&self, holds: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !holds && self.violation.borrow().is_none() {
            let what = what();
            self.note(|| format!("VIOLATED: {invariant}: {what}"));
            *self.violation.borrow_mut() = Some(Violation { invariant, what });
            self.violated.notify_one();
        }
    }

    /// An error that says so is a mistake of the product's.
    pub(crate) fn demand_no_mistake(&self, who: &str, error: ErrorName) {
        self.demand(error != ErrorName::Internal, "nobody makes a mistake", || {
            format!("{who} ends with {}", error.as_str())
        });
    }

    /// What leaves S3: no key and no label may be in it.
    pub(crate) fn hear(&self, said: &str) {
        let leak = LABELS.iter().chain(&[".png"]).find(|word| said.contains(**word));
        self.demand(leak.is_none(), "no key or label outside S3", || said.to_owned());
    }

    /// What a state is given or a function answers: Step Functions hands on so much and no more (AWS-FACTS: its quotas).
    pub(crate) fn hand_on(&self, value: &Value) {
        const MOST_BYTES: usize = 256 << 10;
        let text = value.to_string();
        self.demand(text.len() <= MOST_BYTES, "quotas", || format!("{} bytes are handed on: {text:.200}", text.len()));
        self.hear(&text);
    }

    /// An execution's plan holds the output's lock: nobody else may be at work behind a plan.
    pub(crate) fn has_planned(&self, execution: &Execution) {
        self.note(|| format!("{} has planned", execution.name));
        let other = self.with_bucket(Place::Output, |output| self.at_work_behind_its_plan(output, &execution.name));
        self.demand(other.is_none() || execution.redrives.get() > 0, "one run past the lock", || {
            format!("{} has planned while {other:?} goes on", execution.name)
        });
        execution.planned.set(Some(self.now()));
    }

    /// An execution that has the output to itself, other than the one of this name. Of one that was redriven, or under
    /// which somebody has changed the output, that is not sure.
    pub(crate) fn at_work_behind_its_plan(&self, output: &Bucket, but: &str) -> Option<String> {
        let executions = self.executions.borrow();
        let other = executions.iter().find(|other| {
            let is_undisturbed = other.redrives.get() == 0 && other.started > self.output_changed.get();
            // A double of its report may have marked its run, and given the lock back.
            let mark = RunLayout::new(invariants::run_id(other).as_str()).success();
            let is_at_work = other.is_running() && other.planned.get().is_some() && output.get(&mark).is_none();
            // A double of what certifies may have given it back as well.
            let is_at_work = is_at_work && other.at.borrow().0 != "EraseCertify";
            other.name != but && is_at_work && is_undisturbed
        });
        other.map(|other| other.name.clone())
    }

    /// A run that began then has ended.
    pub(crate) fn run_ended(&self, started: DateTime<Utc>) {
        if self.output_changed.get() > started {
            self.disturbed_until.set(self.now());
        }
    }

    /// EventBridge tells how an execution ended.
    pub(crate) async fn execution_ended(
        self: &Rc<Self>,
        execution: &Rc<Execution>,
        ended: Result<Value, crate::lambda::Failure>,
    ) {
        self.note(|| format!("{} ends: {:?} {:?}", execution.name, execution.status.get(), ended));
        self.run_ended(execution.started);
        if let Err(failure) = &ended {
            self.hear(&failure.cause);
        }
        if execution.status.get() == Status::Succeeded && !execution.is_run() {
            self.has_erased(execution).await;
            return;
        }
        if execution.status.get() == Status::Succeeded {
            self.met.borrow_mut().runs += 1;
            let success = Success {
                name: &execution.name,
                run_id: invariants::run_id(execution),
                started: execution.started,
                is_redriven: execution.redrives.get() > 0,
            };
            invariants::after_success(self, success).await;
            return;
        }
        let error = execution.error().unwrap_or_default();
        let mut dice = Dice::of(self.seed, &format!("{} ended", execution.name));
        let says_error = dice.chance(0.5);
        // The template's rule RunWasBusy.
        let is_announced = !says_error || error == "Pomona.Busy";
        if execution.status.get() == Status::Failed && execution.name.starts_with("uploads-") && is_announced {
            let mut detail = json!({"executionArn": execution.arn(), "status": "FAILED"});
            if says_error {
                detail["error"] = error.into();
            }
            self.deliver(&json!({"source": "aws.states", "detail": detail}));
        }
    }
}
