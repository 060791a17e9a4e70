//! The program on somebody's machine, over the same buckets and beside the executions.

use std::rc::Rc;

use pomona_dataset::Images;
use pomona_run::{Options, chance};
use pomona_stages::Error;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::UnknownHolders;
use serde_json::Value;
use tokio::task::spawn_local;

use crate::bucket::Place;
use crate::context::As;
use crate::deployed;
use crate::images::Silent;
use crate::invariants::{self, Success};
use crate::lambda::{self, AtWork};
use crate::s3::SimulatedS3;
use crate::world::World;

/// Requests of a program among which its doom may come.
const REQUESTS: u64 = 400;

impl World {
    pub(crate) fn run_program(self: &Rc<Self>, options: &Value, version: usize) {
        let number = self.of_programs.borrow().len() as u64;
        self.of_programs.borrow_mut().push(version);
        self.count_needed();
        let options = serde_json::from_value(options.clone()).expect("options");
        spawn_local(self.clone().live_as_program(number, options, version));
    }

    async fn live_as_program(self: Rc<Self>, number: u64, options: Options, version: usize) {
        let (_at_work, name, started) = (AtWork::new(&self), format!("program {number}"), self.now());
        let actor = lambda::actor(&self, &name, REQUESTS);
        let program = As::new(actor.clone(), run(self.clone(), number, options, version));
        let ended = tokio::select! {
            biased;
            ended = program => Some(ended),
            () = actor.was_killed.notified() => None,
        };
        self.note(|| format!("{name} ends: {:?}", ended.as_ref().map(|ended| ended.as_ref().err())));
        if let Some(Ok(Some(Summary { plan, extracted, .. }))) = ended {
            self.bill.borrow_mut().computed(extracted.computed);
            if !actor.has_met_its_doom() {
                let success = Success { name: &name, run_id: plan.run_id, started, is_redriven: false };
                invariants::after_success(&self, success).await;
            }
        }
    }
}

async fn run(world: Rc<World>, number: u64, options: Options, version: usize) -> Result<Option<Summary>, Error> {
    let [input, output] = [Place::Input, Place::Output].map(SimulatedS3);
    let pool = deployed::pool(version);
    let job = Job {
        input: &Images::new(&input),
        output: &output,
        options: &options,
        models: None,
        pool: &pool,
        holder: &format!("program {number}"),
        keep_runs: world.setting.keep_runs.to_string().parse().expect("few runs"),
    };
    chance::testing::set_next(number);
    local::run(&job, &UnknownHolders, &Silent, world.interrupt.notified()).await
}
