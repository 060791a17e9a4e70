//! What a history came across: one in which nothing happens shows nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::asl::Machine;

/// What the surroundings and people do, apart from killing and stopping whoever acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// S3 says 503.
    SlowDown,
    /// It says 500.
    ServerError,
    /// It hangs up.
    Reset,
    /// A write is not carried out, because its condition does not hold.
    ConditionUnmet,
    /// It carries out a write, and nobody hears of it.
    AnswerLost,
    /// A body breaks off.
    BodyCut,
    /// A request is never answered.
    Hangs,
    /// A prefix has been asked too often within a second.
    PrefixBusy,
    /// Lambda answers no more calls just now.
    Throttled,
    /// As many functions are at work as may be.
    TooManyAtOnce,
    /// Others use all the room that there is for a function.
    NoRoom,
    /// Lambda has an error of its own.
    ServiceError,
    /// A function takes longer than it may.
    OutOfTime,
    /// An event is handed over twice.
    CalledTwice,
    /// A child of a Map is run twice.
    ChildTwice,
    /// A child is no quicker than an EXPRESS execution must be.
    ChildTooSlow,
    /// A Map cannot read its items.
    ReaderFails,
    /// A Map cannot write what came of them.
    WriterFails,
    /// A child of a Map is stopped.
    MapStopped,
    /// `States.Runtime`.
    RuntimeError,
    /// An execution is to be started under a name that is in use.
    NameInUse,
    /// A call of Step Functions or SQS fails, with its effect or without.
    CallFails,
    /// An event is minutes or hours late.
    EventLate,
    /// An event comes twice.
    EventTwice,
    /// An event never comes.
    EventLost,
    /// A message was received in vain as often as it may be.
    MessageGivenUp,
    /// Objects at the output expire.
    Expires,
    /// A program dies and leaves its lock.
    LockLeft,
    /// Somebody deletes some of the output.
    OutputDeleted,
    /// Somebody restores what was deleted there.
    OutputRestored,
    /// Somebody makes the output what it was before.
    OutputRolledBack,
    /// Somebody deploys another version while an execution goes on.
    DeployedUnderRun,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::SlowDown,
        Self::ServerError,
        Self::Reset,
        Self::ConditionUnmet,
        Self::AnswerLost,
        Self::BodyCut,
        Self::Hangs,
        Self::PrefixBusy,
        Self::Throttled,
        Self::TooManyAtOnce,
        Self::NoRoom,
        Self::ServiceError,
        Self::OutOfTime,
        Self::CalledTwice,
        Self::ChildTwice,
        Self::ChildTooSlow,
        Self::ReaderFails,
        Self::WriterFails,
        Self::MapStopped,
        Self::RuntimeError,
        Self::NameInUse,
        Self::CallFails,
        Self::EventLate,
        Self::EventTwice,
        Self::EventLost,
        Self::MessageGivenUp,
        Self::Expires,
        Self::LockLeft,
        Self::OutputDeleted,
        Self::OutputRestored,
        Self::OutputRolledBack,
        Self::DeployedUnderRun,
    ];
}

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Executions that made a run which succeeded.
    pub runs: u64,
    /// Programs that made one.
    pub runs_of_programs: u64,
    /// Erasures that came to their end.
    pub erasures: u64,
    /// Executions that were redriven, by the state in which they went on.
    pub redrives: BTreeMap<String, u64>,
    /// Functions and programs that were killed before a request.
    pub kills: u64,
    /// Those that stood still there, and went on.
    pub standstills: u64,
    /// Whatever else the surroundings and people did.
    pub troubles: BTreeMap<Trouble, u64>,
    /// The most that a history computed, as a multiple of what it had to.
    pub dearest: f64,
    /// States of the state machine that were entered.
    pub states: BTreeSet<String>,
}

impl Met {
    /// Adds what another history came across.
    pub fn add(&mut self, other: Self) {
        let Self { runs, runs_of_programs, erasures, redrives, kills, standstills, troubles, dearest, states } = other;
        self.runs += runs;
        self.runs_of_programs += runs_of_programs;
        self.erasures += erasures;
        redrives.into_iter().for_each(|(state, times)| *self.redrives.entry(state).or_default() += times);
        self.kills += kills;
        self.standstills += standstills;
        troubles.into_iter().for_each(|(trouble, times)| *self.troubles.entry(trouble).or_default() += times);
        self.dearest = self.dearest.max(dearest);
        self.states.extend(states);
    }
}

impl fmt::Display for Met {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, runs_of_programs, erasures, kills, standstills, dearest, .. } = self;
        writeln!(formatter, "{runs} runs, {runs_of_programs} runs of programs, {erasures} erasures")?;
        writeln!(formatter, "{kills} killed, {standstills} stood still")?;
        self.redrives.iter().try_for_each(|(state, times)| writeln!(formatter, "{times} redriven in {state}"))?;
        self.troubles.iter().try_for_each(|(trouble, times)| writeln!(formatter, "{times} {trouble:?}"))?;
        writeln!(formatter, "the dearest history computed {dearest:.2} times what it had to")?;
        let states = states();
        let missed = states.difference(&self.states);
        write!(formatter, "never entered: {}", missed.map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// All states of the state machine.
pub fn states() -> BTreeSet<String> {
    Machine::read().states.into_keys().collect()
}
