//! The program on somebody's machine, over the same buckets and beside the executions.

use std::rc::Rc;

use pomona_dataset::Images;
use pomona_run::{Options, chance};
use pomona_stages::Error;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::UnknownHolders;
use pomona_stages::verify::{self, Mending, Verified};
use serde_json::Value;
use tokio::task::spawn_local;

use crate::bucket::Place;
use crate::context::{Actor, As, Role};
use crate::deployed;
use crate::images::{Silent, Unseen};
use crate::invariants::{self, Success};
use crate::lambda::{self, AtWork};
use crate::s3::SimulatedS3;
use crate::world::World;

/// A program, which has a number that nobody else has.
pub(crate) struct Program {
    pub(crate) world: Rc<World>,
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) actor: Rc<Actor>,
    _at_work: AtWork,
}

impl World {
    pub(crate) fn program(self: &Rc<Self>) -> Program {
        let number = self.programs.get();
        self.programs.set(number + 1);
        let name = format!("program {number}");
        let actor = lambda::actor(self, &name, Role::Program);
        Program { world: self.clone(), number, name, actor, _at_work: AtWork::new(self) }
    }

    pub(crate) fn run_program(self: &Rc<Self>, options: &Value, version: usize) {
        self.comes_back();
        self.versions_of_programs.borrow_mut().push(version);
        self.count_needed();
        let options = serde_json::from_value(options.clone()).expect("options");
        let program = self.program();
        spawn_local(async move { program.live(options, version).await });
    }

    pub(crate) fn mend(self: &Rc<Self>) {
        let program = self.program();
        spawn_local(async move {
            let mended = program.act(program.mend()).await;
            program.demand_no_mistake(mended.as_ref());
            program.world.note(|| format!("{} ends: {mended:?}", program.name));
        });
    }
}

impl Program {
    /// What the program comes to; nothing where it is killed.
    pub(crate) async fn act<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = As::new(self.actor.clone(), doing) => Some(done),
            () = self.actor.was_killed.notified() => None,
        }
    }

    pub(crate) fn demand_no_mistake<T>(&self, ended: Option<&Result<T, Error>>) {
        if let Some(Err(error)) = ended {
            self.world.demand_no_mistake(&self.name, error.name());
        }
    }

    async fn live(&self, options: Options, version: usize) {
        let started = self.world.now();
        let ended = self.act(self.run(&options, version)).await;
        self.world.run_ended(started);
        self.demand_no_mistake(ended.as_ref());
        self.world.note(|| format!("{} ends: {:?}", self.name, ended.as_ref().map(|ended| ended.as_ref().err())));
        if let Some(Ok(Some(Summary { plan, extracted, .. }))) = ended {
            self.world.met.borrow_mut().runs_of_programs += 1;
            self.world.bill.borrow_mut().computed(extracted.computed);
            if !self.actor.has_met_its_doom() {
                let success = Success { name: &self.name, run_id: plan.run_id, started, is_redriven: false };
                invariants::after_success(&self.world, success).await;
            }
        }
    }

    async fn run(&self, options: &Options, version: usize) -> Result<Option<Summary>, Error> {
        let [input, output] = [Place::Input, Place::Output].map(SimulatedS3);
        let pool = deployed::pool(version);
        let job = Job {
            input: &Images::new(&input),
            output: &output,
            options,
            models: None,
            pool: &pool,
            holder: &self.name,
            keep_runs: self.world.setting.keep_runs.to_string().parse().expect("few runs"),
        };
        chance::testing::set_next(self.number);
        local::run(&job, &UnknownHolders, &Silent, self.world.interrupt.notified()).await
    }

    async fn mend(&self) -> Result<Option<Verified>, Error> {
        let (output, all) = (SimulatedS3(Place::Output), Mending { repairs: true, prunes: true });
        let holder = (self.name.as_str(), &UnknownHolders as _);
        chance::testing::set_next(self.number);
        verify::verify(&output, all, holder, &Unseen, self.world.interrupt.notified()).await
    }
}
