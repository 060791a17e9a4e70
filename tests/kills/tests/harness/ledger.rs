//! What must hold after each event of a history.

use std::collections::HashMap;
use std::ffi::OsString;

use pomona_tests::{assert_same, latest_run, result_of};

use super::{Case, Ended, Pool, World};

/// Which runs were of which case, and which one was said to be done.
#[derive(Debug, Default)]
pub struct Ledger {
    cases: HashMap<OsString, Case>,
    /// The runs that latest.json may name: the last one that was said to be done, and those that were begun later.
    newest: Vec<OsString>,
    is_done: bool,
}

impl Ledger {
    /// Notes what an attempt has left behind.
    pub fn note(&mut self, world: &World, case: Case, ended: &Ended) {
        for run in world.runs() {
            if self.cases.insert(run.clone(), *self.cases.get(&run).unwrap_or(&case)).is_none() {
                self.newest.push(run);
            }
        }
        if ended.is_done() {
            let run = latest_run(&world.output());
            self.newest = vec![run.file_name().expect("a run has a name").to_owned()];
            self.is_done = true;
        }
    }

    /// Fails where a run that is complete by its own word is not whole, or where what was said to be done is gone.
    pub fn check(&self, world: &World, pool: &Pool) {
        let latest = world.output().join("latest.json").exists().then(|| latest_run(&world.output()));
        assert!(latest.is_some() || !self.is_done, "what was said to be done is gone: there is no latest.json");
        if let Some(latest) = latest {
            let name = latest.file_name().expect("a run has a name");
            assert!(self.newest.iter().any(|run| run == name) || !self.is_done, "{name:?} is not the newest run");
            assert!(latest.join("_SUCCESS").exists(), "latest.json names {name:?}, which is not complete");
        }
        for run in world.runs() {
            let folder = world.output().join("runs").join(&run);
            if folder.join("_SUCCESS").exists() && !folder.join("_TABLES_REMOVED").exists() {
                assert_same(&result_of(&folder), &pool.fresh(self.cases[&run]).result);
            }
        }
    }
}
