//! What a history came across: one in which nothing happens shows nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::asl::Machine;

/// What the surroundings do, apart from killing and stopping whoever acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// S3 says 503 or 500, or hangs up.
    Refused,
    /// It carries out a write, and nobody hears of it.
    AnswerLost,
    /// A body breaks off.
    BodyCut,
    /// A request is never answered.
    Hangs,
    /// A prefix has been asked too often within a second.
    PrefixBusy,
    /// Too many calls of functions at once.
    Throttled,
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
    /// `States.Runtime`.
    RuntimeError,
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
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Refused,
        Self::AnswerLost,
        Self::BodyCut,
        Self::Hangs,
        Self::PrefixBusy,
        Self::Throttled,
        Self::NoRoom,
        Self::ServiceError,
        Self::OutOfTime,
        Self::CalledTwice,
        Self::ChildTwice,
        Self::ChildTooSlow,
        Self::ReaderFails,
        Self::WriterFails,
        Self::RuntimeError,
        Self::CallFails,
        Self::EventLate,
        Self::EventTwice,
        Self::EventLost,
        Self::MessageGivenUp,
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
    /// Whatever else the surroundings did.
    pub troubles: BTreeMap<Trouble, u64>,
    /// States of the state machine that were entered.
    pub states: BTreeSet<String>,
}

impl Met {
    /// Adds what another history came across.
    pub fn add(&mut self, other: Self) {
        let Self { runs, runs_of_programs, erasures, redrives, kills, standstills, troubles, states } = other;
        self.runs += runs;
        self.runs_of_programs += runs_of_programs;
        self.erasures += erasures;
        redrives.into_iter().for_each(|(state, times)| *self.redrives.entry(state).or_default() += times);
        self.kills += kills;
        self.standstills += standstills;
        troubles.into_iter().for_each(|(trouble, times)| *self.troubles.entry(trouble).or_default() += times);
        self.states.extend(states);
    }
}

/// All states of the state machine.
pub fn states() -> BTreeSet<String> {
    Machine::read().states.into_keys().collect()
}
