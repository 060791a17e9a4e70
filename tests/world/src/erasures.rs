//! Erasing images beside all that, and what must hold of it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use pomona_formats::Error as FileError;
use pomona_formats::suppressed::Suppressed;
use pomona_results::latest;
use pomona_results::verify::{self, Unneeded, Useless};
use pomona_run::executions;
use pomona_run::place::Place as FilePlace;
use pomona_stages::Error;
use pomona_stages::erase::{self, Erased, Eraser, Older, Which, Wish};
use pomona_stages::lock::UnknownHolders;
use pomona_store::testing::MemoryStore;
use serde_json::json;
use tokio::task::spawn_local;

use crate::bucket::Place;
use crate::execution::Execution;
use crate::history::Deed;
use crate::images::{self, Silent, Unseen};
use crate::invariants;
use crate::program::Program;
use crate::s3::SimulatedS3;
use crate::world::World;

/// More images than any history has.
const IMAGES: u64 = 200;

/// When somebody looks whether everything was erased.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    BeforeTheLastRun,
    AfterTheLastRun,
}

impl World {
    /// Somebody has images erased; who names none has that gone on with which is unfinished, or taken out what has come
    /// back.
    pub(crate) fn erase(self: &Rc<Self>, keys: BTreeSet<String>, older: Older) {
        let program = self.program();
        self.disturb_output();
        spawn_local(async move { program.erase_and_promise(keys, older).await });
    }

    /// Somebody asks for images to be erased, and has the state machine do it.
    pub(crate) fn erase_on_aws(self: &Rc<Self>, keys: BTreeSet<String>) {
        let program = self.program();
        self.disturb_output();
        spawn_local(async move {
            let output = SimulatedS3(Place::Output);
            let wish = Wish { which: Which::Keys(keys.clone()), because: None };
            let asked = match keys.is_empty() {
                true => Some(Ok(0)),
                false => program.act(program.eraser(&output).ask(&wish)).await,
            };
            program.world.note(|| format!("{} has asked: {asked:?}", program.name));
            if let Some(Ok(_)) = asked {
                let name = format!("{}{}", executions::OF_ERASURES, program.number);
                program.world.start(&name, &json!({"output": Place::Output.location(), "erase": {}}));
            }
        });
    }

    /// An execution says that it has erased all that was asked for.
    pub(crate) async fn has_erased(self: &Rc<Self>, execution: &Execution) {
        if self.output_changed.get() > execution.started {
            return;
        }
        self.met.borrow_mut().erasures += 1;
        self.promise_all(&invariants::snapshot(self)).await;
        if self.has_been_calm() && self.at_work.get() == 0 {
            self.demand_that_nothing_is_left().await;
            self.demand_that_no_sum_is_left().await;
        }
        self.disturb_output();
    }

    /// All that was erased is gone for good.
    async fn promise_all(&self, output: &MemoryStore) {
        let suppressed = Suppressed::read(output).await.expect("it is whole").expect("something was erased");
        let erased = (0..IMAGES).map(images::key).filter(|key| suppressed.has(key));
        self.promises.borrow_mut().extend(erased.map(|key| (key, self.now())));
    }

    /// Images that were erased may come back.
    pub(crate) fn allow_again(self: &Rc<Self>, keys: Vec<String>) {
        let program = self.program();
        self.bill.borrow_mut().forget();
        self.break_promises(&keys);
        spawn_local(async move {
            let output = SimulatedS3(Place::Output);
            let allowed = program.act(program.eraser(&output).allow_again(&keys)).await;
            // An erasure may have ended in between.
            program.world.break_promises(&keys);
            program.world.note(|| format!("{} ends: {allowed:?}", program.name));
        });
    }

    fn break_promises(&self, keys: &[String]) {
        self.promises.borrow_mut().retain(|key, _| !keys.contains(key));
    }
}

impl Program {
    fn eraser<'a>(&'a self, output: &'a SimulatedS3) -> Eraser<'a> {
        pomona_run::chance::testing::set_next(self.number);
        Eraser {
            output,
            holder: &self.name,
            holders: &UnknownHolders,
            threads: 1,
            older: Older::Delete,
            signing_key: None,
        }
    }

    async fn erase(&self, keys: BTreeSet<String>, older: Older) -> Result<Option<Erased>, Error> {
        let wish = (!keys.is_empty()).then(|| Wish { which: Which::Keys(keys), because: None });
        let output = SimulatedS3(Place::Output);
        let eraser = Eraser { older, ..self.eraser(&output) };
        eraser.erase(wish.as_ref(), &Silent, self.world.interrupt.notified()).await
    }

    async fn erase_and_promise(&self, keys: BTreeSet<String>, older: Older) {
        let world = &self.world;
        let (started, disturbed) = (world.now(), world.output_changed.get());
        let was_alone = world.at_work.get() == 1;
        let ever_at_work = world.ever_at_work.get();
        let erased = self.act(self.erase(keys, older)).await;
        world.run_ended(started);
        self.demand_no_mistake(erased.as_ref());
        world.note(|| format!("{} ends: {:?}", self.name, erased.as_ref().map(|erased| erased.as_ref().err())));
        let is_undisturbed = world.output_changed.get() == disturbed && !self.actor.has_met_its_doom();
        if let Some(Ok(Some(Erased { certificates, .. }))) = erased
            && is_undisturbed
        {
            let output = invariants::snapshot(world);
            world.met.borrow_mut().erasures += 1;
            world.promise_all(&output).await;
            if was_alone && world.ever_at_work.get() == ever_at_work {
                world.demand_that_nothing_is_left().await;
                world.demand_that_no_sum_is_left().await;
            }
            // An attempt before this one may have made it, and other runs may have succeeded since.
            let newest = latest::read(&output).await.ok().flatten().map(|latest| latest.run_id);
            let made = certificates.iter().find_map(|certificate| certificate.run.as_ref()).map(|run| &run.run_id);
            if let Some(run_id) = newest.filter(|newest| Some(newest) == made) {
                invariants::is_as_fresh(world, &output, (&self.name, &run_id, started)).await;
            }
        }
        // What it deleted may have been of a run that was going on without the lock.
        world.disturb_output();
    }
}

impl World {
    /// Every certificate tells the truth.
    async fn demand_that_nothing_is_left(&self) {
        let output = invariants::snapshot_with_versions(self).await;
        let checks = erase::check(&output, None).await.expect("certificates are whole");
        let lies = checks.done.iter().find(|checked| {
            let traces = &checked.traces;
            !(traces.holding.is_empty() && traces.unreadable.is_empty() && traces.remains.is_empty())
        });
        self.demand(lies.is_none(), "a certificate tells the truth", || format!("{:?}", lies.map(|lies| &lies.traces)));
    }
}

impl World {
    /// Sums name nobody, so they go where no run that is left uses them.
    async fn demand_that_no_sum_is_left(&self) {
        let verified = match verify::verify(&invariants::snapshot(self), None, &Unseen).await {
            Err(FileError::NoRun { .. }) => return,
            verified => verified.expect("a store that does as it is told"),
        };
        let is_sum = |unneeded: &&Unneeded| {
            let place = FilePlace::of(&unneeded.file);
            let adds_up = |place| {
                matches!(place, FilePlace::Node(_) | FilePlace::SweepModel { .. } | FilePlace::SweepPass { .. })
            };
            unneeded.reason == Useless::UnusedResult && place.is_some_and(adds_up)
        };
        let sum = verified.unneeded.iter().find(is_sum);
        self.demand(sum.is_none(), "a certificate tells the truth", || format!("no run uses {sum:?}"));
    }
}

/// Once nothing goes wrong any more somebody has gone on with what is unfinished, and taken out what calls that went on
/// have put back: then nothing of it is left.
pub(crate) async fn end(world: &Rc<World>, when: When) {
    world.let_leases_end().await;
    let program = world.program();
    let erased = program.act(program.erase(BTreeSet::new(), Older::Delete)).await.expect("nobody dies any more");
    world.note(|| format!("{} ends: {:?}", program.name, erased.as_ref().err()));
    drop(program);
    match erased {
        // A run has to compute them once more; an execution that was stopped holds the output for a day.
        Err(Error::FeaturesGone { .. } | Error::Busy { .. }) if when == When::BeforeTheLastRun => return,
        Ok(_) | Err(Error::NothingToErase { .. }) => {}
        Err(error) => {
            world.demand(false, "an erasure comes to an end", || format!("{error:?}"));
            return;
        }
    }
    world.demand_that_nothing_is_left().await;
    let suppressed = Suppressed::read(&invariants::snapshot(world)).await.expect("it is whole");
    let promises = world.promises.borrow();
    let broken = promises.keys().find(|key| !suppressed.as_ref().is_some_and(|suppressed| suppressed.has(key)));
    world.demand(broken.is_none(), "what was erased stays away", || format!("{broken:?} may come back"));
}

/// Whether any of these is an erasure.
pub(crate) fn are_among(deeds: &[(Duration, Deed)]) -> bool {
    deeds.iter().any(|(_, deed)| {
        matches!(deed, Deed::Erase { .. } | Deed::StopAndRedriveErasure { .. } | Deed::AllowAgain { .. })
    })
}
