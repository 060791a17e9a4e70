//! Events that the Lambdas are called with.

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pomona_cost::workload::Workload;
use pomona_formats::recipe::Recipe;
use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::plan::Planner;
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_lambda::report::Report;
use pomona_lambda::sweep::Sweep;
use pomona_lambda::trigger::{Buckets, Dataset, Queue, Recent, Runs, Trigger};
use pomona_lambda::{Error, Function, StackSettings, Stores};
use pomona_results::processing::Site;
use pomona_stages::lock::UnknownHolders;
use pomona_store::Store;
use serde_json::{Value, json};

use crate::choice;
use crate::erasing::{ERASING, erase};
use crate::finished_run::{FINISHED, FinishedRun, pool, recipe};
use crate::stores::{INPUT, OUTPUT, at, block_on, store_of};

/// Each message is read by itself, of up to 10,000 that Lambda may hand over at once.
const MOST_MESSAGES: usize = 10;

/// Messages of the queue, one a line, each anything at all: they are answered.
pub(crate) fn uploads(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let text = String::from_utf8_lossy(bytes);
    let messages: Vec<Value> = text.lines().take(MOST_MESSAGES).map(|body| json!({"body": body})).collect();
    let trigger = Trigger {
        stores: stores(),
        runs: Box::new(Cloud { choice }),
        queue: Box::new(Cloud { choice }),
        buckets: Box::new(Cloud { choice }),
        dataset: Dataset { input: at(INPUT), output: at(OUTPUT), options: "{}".to_owned() },
        interval: Duration::from_secs(900),
    };
    block_on(trigger.handle(json!({"Records": messages}))).expect("a message may say anything");
}

/// An event of any function, about the finished run or not: it is answered or refused.
pub(crate) fn events(bytes: &[u8]) {
    let _ = answer(bytes);
}

/// Whom an event is for.
#[derive(Clone, Copy)]
pub(crate) enum Called {
    Plan,
    ListBatch,
    Reduce,
    Sweep,
    ProjectMap,
    Erase,
    Report,
}

impl Called {
    const ALL: [Self; 7] =
        [Self::Plan, Self::ListBatch, Self::Reduce, Self::Sweep, Self::ProjectMap, Self::Erase, Self::Report];
}

/// What the function that the last byte names says to the JSON before it; nothing where that is no JSON.
///
/// # Errors
/// Those of the function.
pub fn answer(bytes: &[u8]) -> Option<Result<(), Error>> {
    let (choice, bytes) = choice(bytes);
    let mut event = serde_json::from_slice::<Value>(bytes).ok()?;
    stay_at_home(&mut event);
    Some(match Called::ALL[usize::from(choice) % Called::ALL.len()] {
        Called::Plan => handle(&planner(), event),
        Called::ListBatch => handle(&ListBatch { stores: stores(), pool: pool() }, event),
        Called::Reduce => handle(&Reduce { stores: stores() }, event),
        Called::Sweep => handle(&Sweep { stores: stores(), threads: 1 }, event),
        Called::ProjectMap => handle(&ProjectMap { stores: stores() }, event),
        Called::Erase => handle(&erase(output_of(&ERASING)), event),
        Called::Report => handle(&report(), event),
    })
}

fn handle(function: &impl Function, event: Value) -> Result<(), Error> {
    block_on(function.handle(event)).map(|_| ())
}

/// Puts the buckets that there are in place of others, and takes a task away, which would ask over the network.
fn stay_at_home(event: &mut Value) {
    let Value::Object(fields) = event else { return };
    for (name, value) in fields {
        match name.as_str() {
            "input" if value.is_string() => *value = INPUT.into(),
            "output" | "results" if value.is_string() => *value = OUTPUT.into(),
            "labels" | "list" => *value = Value::Null,
            "task" if value == "diagnose" => *value = Value::Null,
            _ => stay_at_home(value),
        }
    }
}

fn stores() -> Stores {
    let input: Arc<dyn Store> = Arc::new(store_of(FINISHED.input.clone()));
    [(at(INPUT), input), (at(OUTPUT), output_of(&FINISHED))].into_iter().collect()
}

fn output_of(run: &FinishedRun) -> Arc<dyn Store> {
    Arc::new(store_of(run.output.clone()))
}

fn planner() -> Planner {
    static RECIPE: LazyLock<Recipe> = LazyLock::new(recipe);
    Planner {
        stores: stores(),
        recipe: RECIPE.clone(),
        input: Some(at(INPUT)),
        output: Some(at(OUTPUT)),
        max_concurrency: NonZeroU32::MIN,
        refresh_age: None,
        holders: Box::new(UnknownHolders),
    }
}

fn report() -> Report {
    let stack = StackSettings { region: "eu-west-1".to_owned(), settings: Workload::default() };
    let keep_runs = "3".parse().expect("it is a number");
    Report { stores: stores(), stack, keep_runs, site: Site::Bucket }
}

/// AWS around the trigger: whether a run is going is a matter of choice.
#[derive(Clone, Copy)]
struct Cloud {
    choice: u8,
}

#[async_trait]
impl Runs for Cloud {
    async fn recent(&self) -> Result<Recent, Error> {
        Ok(Recent { is_any_going: self.choice & 1 == 1, newest_start: None })
    }

    async fn oldest_going(&self) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(None)
    }

    async fn error_of(&self, _: &str) -> Result<Option<String>, Error> {
        Ok((self.choice & 2 == 2).then(|| "Pomona.Busy".to_owned()))
    }

    async fn start(&self, _: &str, _: &Value) -> Result<bool, Error> {
        Ok(self.choice & 4 == 0)
    }
}

#[async_trait]
impl Queue for Cloud {
    async fn send(&self, _: &str, _: Duration) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Buckets for Cloud {
    async fn switch_on(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
}
