//! Lambda: the product's real functions in process, with what Lambda does to those who call.

use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use pomona_lambda::{Edge, Function};
use pomona_run::ErrorName;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::context::{Actor, As, Doom, Role};
use crate::dice::Dice;
use crate::function::Name;
use crate::met::Trouble;
use crate::weather::Weather;
use crate::world::World;

/// Requests among which the doom of whoever acts may come. Most functions make few, some make hundreds.
fn requests(role: Role, dice: &mut Dice) -> u64 {
    const MANY: u64 = 400;
    const FEW: u64 = 40;
    if role == Role::Program || dice.chance(0.1) { MANY } else { FEW }
}

/// Why a call brought no answer, as Step Functions is told.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) cause: String,
}

impl Failure {
    pub(crate) fn of(error: &str, cause: &str) -> Self {
        Self { error: error.to_owned(), cause: cause.to_owned() }
    }
}

type Answer = Result<Value, Diagnostic>;

/// A deployed function.
pub(crate) type Deployed = Rc<dyn Fn(Value) -> LocalBoxFuture<'static, Answer>>;

/// Deploys a function with all that stands between it and Lambda.
pub(crate) fn deploy<F: Function + 'static>(function: F) -> Deployed {
    let edge = Rc::new(Edge::new(Ok(function), |line| crate::context::world().hear(&line.to_string())));
    Rc::new(move |event| {
        let edge = edge.clone();
        async move { edge.answer(LambdaEvent::new(event, Context::default())).await }.boxed_local()
    })
}

/// A place among those that run at once.
struct Room(Rc<World>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.calls_at_once.set(self.0.calls_at_once.get() - 1);
    }
}

/// A call of list-batch whose answer nobody has: what it computes may be computed again.
struct Waste {
    world: Rc<World>,
    images: u64,
}

impl Drop for Waste {
    fn drop(&mut self) {
        self.world.bill.borrow_mut().wasted(self.images);
    }
}

fn images_of(name: Name, event: &Value) -> u64 {
    if name == Name::ListBatch { event["shard"]["images"].as_u64().expect("a shard") } else { 0 }
}

/// A function or a program that has not ended.
pub(crate) struct AtWork(Rc<World>);

impl AtWork {
    pub(crate) fn new(world: &Rc<World>) -> Self {
        world.at_work.set(world.at_work.get() + 1);
        world.ever_at_work.set(world.ever_at_work.get() + 1);
        Self(world.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.set(self.0.at_work.get() - 1);
    }
}

/// Calls a function and waits for its answer. `caller` is part of the call's name, and no two calls have the same.
pub(crate) async fn call(world: &Rc<World>, name: Name, event: Value, caller: &str) -> Result<Value, Failure> {
    let weather = world.weather();
    let mut dice = Dice::of(world.seed, caller);
    sleep(dice.between(Duration::from_millis(5), Duration::from_millis(80))).await;
    let throttled = match () {
        () if weather.no_room == Some(name) => Some(Trouble::NoRoom),
        () if dice.chance(weather.throttled) => Some(Trouble::Throttled),
        () if world.calls_at_once.get() >= world.setting.concurrency => Some(Trouble::TooManyAtOnce),
        () => None,
    };
    if let Some(trouble) = throttled {
        world.count(trouble);
        return Err(Failure::of("Lambda.TooManyRequestsException", "Rate Exceeded."));
    }
    if dice.chance(weather.service_error) {
        world.count(Trouble::ServiceError);
        let errors = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"];
        return Err(Failure::of(dice.pick(&errors), "Lambda has its own troubles"));
    }
    if dice.chance(weather.called_twice) {
        world.count(Trouble::CalledTwice);
        world.bill.borrow_mut().wasted(images_of(name, &event));
        let (world, event, caller) = (world.clone(), event.clone(), format!("{caller}, again"));
        // Nobody waits for its answer.
        tokio::task::spawn_local(async move { drop(invoke(&world, name, event, &caller).await) });
    }
    invoke(world, name, event, caller).await
}

async fn invoke(world: &Rc<World>, name: Name, event: Value, caller: &str) -> Result<Value, Failure> {
    world.calls_at_once.set(world.calls_at_once.get() + 1);
    let room = Room(world.clone());
    let mut waste = Waste { world: world.clone(), images: images_of(name, &event) };
    let actor = actor(world, caller, Role::Function);
    let (sender, mut answer) = oneshot::channel();
    let working = As::new(actor.clone(), (world.function(name))(event));
    let (at_work, myself) = (AtWork::new(world), actor.clone());
    let task = tokio::task::spawn_local(async move {
        let answer = tokio::select! {
            biased;
            answer = working => answer,
            () = myself.was_killed.notified() => return,
        };
        if let Some(computed) = answer.as_ref().ok().and_then(|answer| answer["computed"].as_u64()) {
            at_work.0.bill.borrow_mut().computed(computed);
        }
        drop(at_work);
        // Of one that was given up nobody waits for the answer.
        let _ = sender.send(answer);
    });
    let ended = tokio::select! {
        biased;
        () = actor.met_its_doom.notified() => Err(given_up("Runtime.ExitError")),
        answer = &mut answer => answer.expect("a function that lives answers"),
        () = sleep(name.time_limit()) => {
            task.abort();
            world.count(Trouble::OutOfTime);
            Err(given_up("Sandbox.Timedout"))
        }
    };
    drop(room);
    if ended.is_ok() {
        waste.images = 0;
    }
    ended.map_err(|Diagnostic { error_type, error_message, .. }| {
        if let Some(error) = ErrorName::ALL.into_iter().find(|name| name.as_str() == error_type) {
            world.demand_no_mistake(caller, error);
        }
        world.note(|| format!("{caller}: {error_type}: {error_message}"));
        let cause = serde_json::json!({"errorType": error_type, "errorMessage": error_message}).to_string();
        Failure { error: error_type, cause }
    })
}

fn given_up(error: &str) -> Diagnostic {
    Diagnostic { error_type: error.to_owned(), error_message: "it did not answer".to_owned() }
}

/// Whoever acts under this name, with a doom before one of its requests, if it meets one.
pub(crate) fn actor(world: &Rc<World>, caller: &str, role: Role) -> Rc<Actor> {
    let Weather { killed, frozen, clocks_differ, .. } = world.weather();
    let mut dice = Dice::of(world.seed, &format!("{caller}, inside"));
    let skew = if clocks_differ { dice.below(1_800) as i64 - 900 } else { 0 };
    let doom = match () {
        () if dice.chance(killed) => Some(Doom::Killed),
        () if dice.chance(frozen) => {
            let (minute, hours) = (Duration::from_secs(60), Duration::from_secs(2 * 3_600));
            Some(Doom::Frozen(dice.between(minute, hours)))
        }
        // By dice of its own, so that calls which are not stalled know nothing of it.
        () if Dice::of(world.seed, &format!("{caller}, stalled")).chance(frozen) => {
            Some(Doom::Stalled(dice.between(Duration::from_secs(30), Duration::from_secs(20 * 60))))
        }
        () => None,
    };
    let doom = doom.map(|doom| {
        let requests = requests(role, &mut dice);
        (dice.below(requests) as u32, doom)
    });
    Actor::new(role, dice, TimeDelta::seconds(skew), doom)
}
