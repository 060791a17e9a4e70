//! An execution of the state machine, state by state.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use pomona_lambda::trigger::is_run;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::asl::{Choice, Fail, Machine, Pass, Rule, State, Task, Test};
use crate::dice::Dice;
use crate::lambda::Failure;
use crate::map_run::{self, MapRun};
use crate::met::Trouble;
use crate::paths::Scope;
use crate::task;
use crate::world::World;

/// What Step Functions takes of events in one execution (AWS-FACTS: quotas of Step Functions).
const MOST_EVENTS: u64 = 25_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    Succeeded,
    Failed,
    Aborted,
    TimedOut,
}

pub(crate) struct Execution {
    pub(crate) name: String,
    pub(crate) input: Value,
    pub(crate) started: DateTime<Utc>,
    pub(crate) status: Cell<Status>,
    pub(crate) ended: Cell<Option<DateTime<Utc>>>,
    pub(crate) failure: RefCell<Option<Failure>>,
    /// The state that it is in, and that state's input.
    pub(crate) at: RefCell<(String, Value)>,
    pub(crate) variables: RefCell<BTreeMap<String, Value>>,
    /// The Map that it is in, as far as it has come.
    pub(crate) map: RefCell<Option<MapRun>>,
    pub(crate) redrives: Cell<u32>,
    /// Since when it has had the output to itself.
    pub(crate) planned: Cell<Option<DateTime<Utc>>>,
    pub(crate) stop: Notify,
    pub(crate) stop_map: Notify,
    events: Cell<u64>,
    /// States that were entered so far, so that each entry has a name of its own.
    pub(crate) entries: Cell<u64>,
}

/// What comes behind a state.
pub(crate) enum Step {
    Next(String, Value),
    End(Value),
}

impl Execution {
    pub(crate) fn new(machine: &Machine, name: String, input: Value, started: DateTime<Utc>) -> Rc<Self> {
        let at = RefCell::new((machine.start_at.clone(), input.clone()));
        Rc::new(Self {
            name,
            input,
            started,
            status: Cell::new(Status::Running),
            ended: Cell::new(None),
            failure: RefCell::default(),
            at,
            variables: RefCell::default(),
            map: RefCell::default(),
            redrives: Cell::new(0),
            planned: Cell::new(None),
            stop: Notify::new(),
            stop_map: Notify::new(),
            events: Cell::new(0),
            entries: Cell::new(0),
        })
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:states:eu-west-1:123456789012:execution:pomona:{}", self.name)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status.get() == Status::Running
    }

    /// Whether it makes a run over the input; otherwise it erases.
    pub(crate) fn is_run(&self) -> bool {
        is_run(&self.name)
    }

    /// The name of the error that it ended with.
    pub(crate) fn error(&self) -> Option<String> {
        self.failure.borrow().as_ref().map(|failure| failure.error.clone())
    }

    pub(crate) fn count_events(&self, events: u64) {
        self.events.set(self.events.get() + events);
    }

    /// What no execution may have too much of.
    fn check_quotas(&self, world: &World) {
        let events = self.events.get();
        world.demand(events <= MOST_EVENTS, "quotas", || format!("{} has {events} events", self.name));
    }

    fn context(&self, world: &World) -> Value {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        json!({
            "Execution": {"Id": self.arn(), "Name": self.name, "StartTime": time(self.started), "Input": self.input},
            "State": {"EnteredTime": time(world.now())},
        })
    }

    /// Steps until it ends, is stopped, or has taken too long.
    pub(crate) async fn run(self: Rc<Self>, world: Rc<World>) {
        let machine = world.machine.clone();
        let ended = tokio::select! {
            biased;
            () = self.stop.notified() => (Status::Aborted, Err(Failure::of("States.Aborted", "somebody stopped it"))),
            ended = self.steps(&world, &machine) => {
                (if ended.is_ok() { Status::Succeeded } else { Status::Failed }, ended)
            }
            () = sleep(Duration::from_secs(machine.timeout_seconds)) => {
                (Status::TimedOut, Err(Failure::of("States.Timeout", "it took too long")))
            }
        };
        self.ended.set(Some(world.now()));
        self.status.set(ended.0);
        *self.failure.borrow_mut() = ended.1.as_ref().err().cloned();
        world.execution_ended(&self, ended.1).await;
    }

    async fn steps(&self, world: &Rc<World>, machine: &Machine) -> Result<Value, Failure> {
        loop {
            let (name, input) = self.at.borrow().clone();
            self.entries.set(self.entries.get() + 1);
            self.count_events(2);
            self.check_quotas(world);
            world.hand_on(&input);
            world.met.borrow_mut().states.insert(name.clone());
            if world.stop_in.borrow_mut().take_if(|state| *state == name).is_some() {
                world.stopped.replace(Some(self.name.clone()));
                self.stop.notify_one();
                pending::<()>().await;
            }
            if ["Plan", "EraseRemake"].contains(&name.as_str()) {
                // Who plans anew and fails gives the lock back before it is tried again.
                self.planned.set(None);
            }
            match self.step(world, &name, &machine.states[&name], &input).await? {
                Step::End(output) => return Ok(output),
                Step::Next(next, output) => *self.at.borrow_mut() = (next, output),
            }
        }
    }

    async fn step(&self, world: &Rc<World>, name: &str, state: &State, input: &Value) -> Result<Step, Failure> {
        let entry = format!("{}/{}.{} {name}", self.name, self.redrives.get(), self.entries.get());
        let mut dice = Dice::of(world.seed, &entry);
        if !matches!(state, State::Fail(_)) && dice.chance(world.weather().runtime_error) {
            world.count(Trouble::RuntimeError);
            return Err(Failure::of("States.Runtime", "the service itself failed"));
        }
        let context = self.context(world);
        match state {
            State::Pass(pass) => Ok(self.pass(pass, input, &context)),
            State::Choice(choice) => {
                Ok(Step::Next(choose(choice, &self.scope(input, &context, &self.variables.borrow())), input.clone()))
            }
            State::Task(task) => self.task(world, name, task, (input, &context), &entry).await,
            State::Map(map) => map_run::run(self, world, map, (input, &context), &entry).await,
            State::Fail(Fail { error, cause }) => Err(Failure::of(error, cause)),
            State::Succeed(_) => Ok(Step::End(input.clone())),
        }
    }

    fn scope<'a>(&self, state: &'a Value, context: &'a Value, variables: &'a BTreeMap<String, Value>) -> Scope<'a> {
        Scope { state, context, variables }
    }

    fn pass(&self, pass: &Pass, input: &Value, context: &Value) -> Step {
        let variables = self.variables.borrow().clone();
        let scope = self.scope(input, context, &variables);
        let result = pass.parameters.as_ref().map_or_else(|| input.clone(), |template| scope.fill(template));
        self.variables.borrow_mut().extend(pass.assign.iter().flat_map(|assign| scope.fill_fields(assign)));
        Step::Next(pass.next.clone(), task::put(&pass.result_path, input, result))
    }

    async fn task(
        &self,
        world: &Rc<World>,
        name: &str,
        task: &Task,
        (input, context): (&Value, &Value),
        entry: &str,
    ) -> Result<Step, Failure> {
        let variables = self.variables.borrow().clone();
        let scope = self.scope(input, context, &variables);
        let step = task::run(world, task, &scope, entry, |tries| self.count_events(3 * tries)).await?;
        if let task::Taken::Answered { assigned, .. } = &step {
            self.variables.borrow_mut().extend(assigned.clone());
            if ["Plan", "EraseBegin"].contains(&name) {
                world.has_planned(self);
            }
        }
        Ok(step.into())
    }
}

fn choose(choice: &Choice, scope: &Scope<'_>) -> String {
    let number = |value: Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let is_met = |Rule { variable, test, .. }: &Rule| {
        if let Test::IsPresent(is_present) = test {
            return scope.leads_somewhere(variable) == *is_present;
        }
        let value = scope.evaluate(variable);
        match test {
            Test::IsPresent(_) => unreachable!("it is answered"),
            Test::NumericEquals(other) => number(value) == *other,
            Test::NumericGreaterThan(other) => number(value) > *other,
            Test::NumericLessThan(other) => number(value) < *other,
            Test::NumericLessThanEqualsPath(path) => number(value) <= number(scope.evaluate(path)),
            Test::IsNull(is_null) => value.is_null() == *is_null,
            Test::BooleanEquals(other) => value == *other,
            Test::StringEquals(other) => value == *other.as_str(),
        }
    };
    let met = choice.choices.iter().find(|rule| is_met(rule));
    met.map_or(&choice.default, |rule| &rule.next).clone()
}
