//! Step Functions as the product's functions and people see it: executions that are started, listed, asked for, stopped
//! and redriven.

use std::rc::Rc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use pomona_lambda::Error;
use pomona_lambda::trigger::{Buckets, Queue, Recent, Runs};
use pomona_stages::lock::{Holders, Lock};
use serde_json::Value;
use std::time::Duration;

use crate::context;
use crate::execution::{Execution, Status};
use crate::met::Trouble;
use crate::s3::meet_doom;
use crate::world::World;

/// How long an execution may be redriven after it has ended.
const REDRIVABLE: TimeDelta = TimeDelta::days(14);

/// What a request to start came to.
pub(crate) enum Started {
    Now,
    /// The same one is going already.
    Before,
    /// The name belongs to another one, or to one that has ended.
    NameInUse,
}

impl World {
    pub(crate) fn start(self: &Rc<Self>, name: &str, input: &Value) -> Started {
        let namesake = self.executions.borrow().iter().find(|execution| execution.name == name).cloned();
        match namesake {
            Some(namesake) if namesake.is_running() && namesake.input == *input => Started::Before,
            Some(_) => {
                self.count(Trouble::NameInUse);
                Started::NameInUse
            }
            None => {
                self.note(|| format!("{name} starts with {input}"));
                let execution = Execution::new(&self.machine, name.to_owned(), input.clone(), self.now());
                self.executions.borrow_mut().push(execution.clone());
                tokio::task::spawn_local(execution.run(self.clone()));
                Started::Now
            }
        }
    }

    /// Lets an execution go on in the state that it ended in, unless another one is going (shared/aws/src/control.rs) or
    /// it ended too long ago (Step Functions guide, "Redriving executions": within 14 days).
    pub(crate) fn redrive(self: &Rc<Self>, execution: &Rc<Execution>) {
        let is_any_going = self.executions.borrow().iter().any(|other| other.is_running());
        let state = execution.at.borrow().0.clone();
        let gave_up = matches!(self.machine.states[&state], crate::asl::State::Fail(_));
        let is_over = execution.ended.get().is_some_and(|ended| self.now() - ended > REDRIVABLE);
        if is_any_going || gave_up || is_over || execution.status.get() == Status::Succeeded {
            return;
        }
        self.note(|| format!("{} is redriven in {state}", execution.name));
        execution.redrives.set(execution.redrives.get() + 1);
        *self.met.borrow_mut().redrives.entry(state.clone()).or_default() += 1;
        // What it planned to compute another run may have computed since.
        self.bill.borrow_mut().wasted(self.contents.borrow().len() as u64);
        execution.status.set(Status::Running);
        execution.ended.set(None);
        tokio::task::spawn_local(execution.clone().run(self.clone()));
    }

    /// Executions as they were so long ago as lists are behind.
    fn known<T>(&self, look: impl Fn(&Execution, bool) -> T) -> Vec<T> {
        let then = self.now() - TimeDelta::from_std(self.weather().list_lag).expect("seconds");
        let executions = self.executions.borrow();
        let known = executions.iter().filter(|execution| execution.started <= then);
        known.map(|execution| look(execution, execution.ended.get().is_none_or(|ended| ended > then))).collect()
    }
}

/// The state machine, its queue and its lock's holders in this thread's world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cloud;

/// A call of a function's: it may have no effect, or an effect that nobody hears of.
async fn call<T>(name: &'static str, effect: impl FnOnce(&Rc<World>) -> T) -> Result<T, Error> {
    meet_doom().await;
    let world = context::world();
    let failed = || Error::call(name, "the world is harsh");
    let (fails, after) = context::actor().roll(|dice| (dice.chance(world.weather().call_fails), dice.chance(0.5)));
    if fails {
        world.count(Trouble::CallFails);
    }
    if fails && !after {
        return Err(failed());
    }
    let done = effect(&world);
    if fails { Err(failed()) } else { Ok(done) }
}

#[async_trait]
impl Runs for Cloud {
    async fn recent(&self) -> Result<Recent, Error> {
        call("states:ListExecutions", |world| {
            let known = world.known(|execution, is_going| (execution.is_run(), execution.started, is_going));
            let runs = known.iter().filter(|(is_run, _, _)| *is_run);
            Recent {
                is_any_going: known.iter().any(|(_, _, is_going)| *is_going),
                newest_start: runs.map(|(_, started, _)| *started).max(),
            }
        })
        .await
    }

    async fn oldest_going(&self) -> Result<Option<DateTime<Utc>>, Error> {
        call("states:ListExecutions", |world| {
            let known = world.known(|execution, is_going| is_going.then_some(execution.started));
            known.into_iter().flatten().min()
        })
        .await
    }

    async fn error_of(&self, execution: &str) -> Result<Option<String>, Error> {
        call("states:DescribeExecution", |world| {
            let executions = world.executions.borrow();
            executions.iter().find(|found| found.arn() == execution).and_then(|found| found.error())
        })
        .await
    }

    async fn start(&self, name: &str, input: &Value) -> Result<bool, Error> {
        call("states:StartExecution", |world| match world.start(name, input) {
            Started::Now | Started::Before => true,
            Started::NameInUse => false,
        })
        .await
    }
}

#[async_trait]
impl Queue for Cloud {
    async fn send(&self, body: &str, delay: Duration) -> Result<(), Error> {
        call("sqs:SendMessage", |world| world.queue.put(world.now() + delay, body)).await
    }
}

#[async_trait]
impl Buckets for Cloud {
    async fn switch_on(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Holders for Cloud {
    async fn is_gone(&self, lock: &Lock) -> bool {
        let asked = call("states:DescribeExecution", |world| {
            let known = world.known(|execution, is_going| (execution.arn() == lock.holder).then_some(is_going));
            known.into_iter().flatten().next()
        });
        // Of what is not known yet it is not known that it has ended.
        asked.await.is_ok_and(|is_going| is_going == Some(false))
    }
}
