//! What a history came across: one in which nothing happens shows nothing.

use std::collections::BTreeSet;

use crate::asl::Machine;

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Executions that made a run which succeeded.
    pub runs: u64,
    /// Programs that made one.
    pub runs_of_programs: u64,
    /// Erasures that came to their end.
    pub erasures: u64,
    /// Executions that were redriven.
    pub redrives: u64,
    /// Functions and programs that were killed before a request.
    pub kills: u64,
    /// Those that stood still there, and went on.
    pub standstills: u64,
    /// Whatever else the surroundings did.
    pub troubles: u64,
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
        self.redrives += redrives;
        self.kills += kills;
        self.standstills += standstills;
        self.troubles += troubles;
        self.states.extend(states);
    }
}

/// All states of the state machine.
pub fn states() -> BTreeSet<String> {
    Machine::read().states.into_keys().collect()
}
