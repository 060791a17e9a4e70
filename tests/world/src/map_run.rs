//! A Distributed Map: reads its items from the bucket, runs a child for each, writes down what became of them.

use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::asl::{MapState, State};
use crate::bucket::Place;
use crate::dice::Dice;
use crate::execution::{Execution, Step};
use crate::lambda::Failure;
use crate::met::Trouble;
use crate::paths::Scope;
use crate::task;
use crate::world::World;

/// So long an EXPRESS execution may take.
const EXPRESS: Duration = Duration::from_secs(300);

/// A Map as far as it has come: a redrive does not run those children again that have succeeded.
#[derive(Clone, Debug)]
pub(crate) struct MapRun {
    items: Vec<Value>,
    done: Vec<Option<Child>>,
}

/// A child that has succeeded.
#[derive(Clone, Debug)]
struct Child {
    input: Value,
    output: Value,
    started: DateTime<Utc>,
    stopped: DateTime<Utc>,
}

/// Runs the Map that an execution has entered, or is redriven in.
pub(crate) async fn run(
    execution: &Execution,
    world: &Rc<World>,
    map: &MapState,
    (input, context): (&Value, &Value),
    entry: &str,
) -> Result<Step, Failure> {
    let variables = execution.variables.borrow().clone();
    let scope = Scope { state: input, context, variables: &variables };
    let ran = task::retried(world, &map.retry, entry, |number| {
        let (scope, entry) = (&scope, format!("{entry} {number}"));
        async move {
            let failure = tokio::select! {
                biased;
                () = execution.stop_map.notified() => {
                    world.count(Trouble::MapStopped);
                    Err(Failure::of("States.ExceedToleratedFailureThreshold", ""))
                }
                ran = run_once(execution, world, map, scope, &entry) => ran,
            };
            // Another Map run begins anew; a redrive goes on with this one.
            if failure.as_ref().is_err_and(|failure| failure.error.ends_with("erFailed")) {
                execution.map.take();
            }
            failure
        }
    });
    ran.await?;
    execution.map.take();
    Ok(Step::Next(map.next.clone(), task::put(&map.result_path, input, Value::Null)))
}

async fn run_once(
    execution: &Execution,
    world: &Rc<World>,
    map: &MapState,
    scope: &Scope<'_>,
    entry: &str,
) -> Result<(), Failure> {
    execution.count_events(3);
    let mut dice = Dice::of(world.seed, &format!("{entry}, map run"));
    if execution.map.borrow().is_none() {
        let items = read(world, map, scope, &mut dice)?;
        *execution.map.borrow_mut() = Some(MapRun { done: vec![None; items.len()], items });
    }
    run_children(execution, world, map, scope, entry).await?;
    write(execution, world, map, scope, &mut dice)
}

fn read(world: &World, map: &MapState, scope: &Scope<'_>, dice: &mut Dice) -> Result<Vec<Value>, Failure> {
    let parameters = scope.fill(&map.item_reader.parameters);
    assert_eq!(parameters["Bucket"], "results", "items lie at the output");
    let key = parameters["Key"].as_str().expect("a key");
    let failure = |cause: &str| Failure::of("States.ItemReaderFailed", cause);
    if dice.chance(world.weather().reader_fails) {
        world.count(Trouble::ReaderFails);
        return Err(failure("S3 did not answer"));
    }
    let stored = world.with_bucket(Place::Output, |bucket| bucket.bytes(Place::below_output(key)));
    let stored = stored.ok_or_else(|| failure("there is no such object"))?;
    serde_json::from_slice(&stored).map_err(|_| failure("it is no list"))
}

async fn run_children(
    execution: &Execution,
    world: &Rc<World>,
    map: &MapState,
    scope: &Scope<'_>,
    entry: &str,
) -> Result<(), Failure> {
    let at_once = scope.evaluate(&map.max_concurrency_path).as_u64().expect("a number") as usize;
    let items: Vec<(usize, Value)> = {
        let map = execution.map.borrow();
        let map = map.as_ref().expect("the items were read");
        let missing = map.items.iter().zip(&map.done).enumerate().filter(|(_, (_, done))| done.is_none());
        missing.map(|(index, (item, _))| (index, item.clone())).collect()
    };
    let mut waiting = items.into_iter().map(|(index, item)| {
        let input = child_input(map, scope, &item);
        let (world, name) = (world.clone(), format!("{entry}/{index}"));
        async move { (index, child(&world, map, input, &name).await) }
    });
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(at_once.max(1)).collect();
    while let Some((index, ended)) = running.next().await {
        let child = ended.map_err(|failure| {
            world.note(|| format!("{entry}/{index} failed: {}", failure.error));
            // What Step Functions says of a Map is not what its child said.
            Failure::of("States.ExceedToleratedFailureThreshold", &failure.error)
        })?;
        if let Some(map) = execution.map.borrow_mut().as_mut() {
            map.done[index] = Some(child);
        }
        running.extend(waiting.next());
    }
    Ok(())
}

fn child_input(map: &MapState, scope: &Scope<'_>, item: &Value) -> Value {
    let mut context = scope.context.clone();
    context["Map"] = json!({"Item": {"Value": item}});
    Scope { state: scope.state, context: &context, variables: scope.variables }.fill(&map.item_selector)
}

/// Runs a child, and now and then its double, of which nobody takes notice.
async fn child(world: &Rc<World>, map: &MapState, input: Value, name: &str) -> Result<Child, Failure> {
    let mut dice = Dice::of(world.seed, name);
    if dice.chance(world.weather().child_twice) {
        world.count(Trouble::ChildTwice);
        let double = format!("{name}, double");
        world.bill.borrow_mut().wasted(input["shard"]["images"].as_u64().unwrap_or(0));
        let (ran, _) =
            futures::join!(child_states(world, map, &input, name), child_states(world, map, &input, &double));
        return ran;
    }
    child_states(world, map, &input, name).await
}

async fn child_states(world: &Rc<World>, map: &MapState, input: &Value, name: &str) -> Result<Child, Failure> {
    let started = world.now();
    let states = steps(world, map, input, name);
    let output = if world.setting.is_express {
        timeout(EXPRESS, states).await.unwrap_or_else(|_| {
            world.count(Trouble::ChildTooSlow);
            Err(Failure::of("States.Timeout", "EXPRESS"))
        })
    } else {
        states.await
    };
    Ok(Child { input: input.clone(), output: output?, started, stopped: world.now() })
}

async fn steps(world: &Rc<World>, map: &MapState, input: &Value, name: &str) -> Result<Value, Failure> {
    let variables = Default::default();
    let (mut state, mut input) = (map.item_processor.start_at.clone(), input.clone());
    loop {
        let step = match &map.item_processor.states[&state] {
            State::Task(task) => {
                let scope = Scope { state: &input, context: &Value::Null, variables: &variables };
                task::run(world, task, &scope, &format!("{name} {state}"), |_| ()).await?.into()
            }
            State::Succeed(_) => Step::End(input.clone()),
            other => panic!("the world knows no {other:?} in a Map"),
        };
        world.hand_on(&input);
        match step {
            Step::End(output) => return Ok(output),
            Step::Next(next, output) => (state, input) = (next, output),
        }
    }
}

/// As Step Functions writes it (Step Functions guide, `ResultWriter`).
fn write(
    execution: &Execution,
    world: &World,
    map: &MapState,
    scope: &Scope<'_>,
    dice: &mut Dice,
) -> Result<(), Failure> {
    let parameters = scope.fill(&map.result_writer.parameters);
    assert_eq!(parameters["Bucket"], "results", "results lie at the output");
    if dice.chance(world.weather().writer_fails) {
        world.count(Trouble::WriterFails);
        return Err(Failure::of("States.ResultWriterFailed", "S3 did not answer"));
    }
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let line = |child: &Child| {
        json!({
            "Input": child.input.to_string(), "Output": child.output.to_string(), "Status": "SUCCEEDED",
            "StartDate": time(child.started), "StopDate": time(child.stopped),
        })
    };
    let run = execution.map.borrow();
    let children: Vec<Value> = run.iter().flat_map(|run| run.done.iter().flatten()).map(line).collect();
    let prefix = parameters["Prefix"].as_str().expect("a prefix");
    let folder = format!("{}/{}-{:016x}", Place::below_output(prefix), map.label, dice.roll());
    world.with_bucket(Place::Output, |bucket| {
        bucket.put(&format!("{folder}/SUCCEEDED_0.json"), Value::from(children).to_string().into(), world.now());
        bucket.put(&format!("{folder}/manifest.json"), "{}".into(), world.now());
    });
    Ok(())
}
