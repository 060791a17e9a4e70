//! The Lambda `trigger`: uploads and deletions below the input start a run.
//!
//! EventBridge puts each of S3's events into a queue, and Lambda hands the queue's messages to this function in
//! batches. They are counted and not read: a plan lists the whole input, so it is enough that there is one. (Of a run
//! that failed, which EventBridge tells of, too, it matters by which error: messages.rs.) Then
//! - a run is started, if none is going and the newest one started long enough ago. Its name is made of the dataset and
//!   the time window, and a state machine has one execution of a name: however many batches there are at once, one of
//!   them starts it;
//! - otherwise one message is left that arrives later, for all of them, because the run that is going may have listed
//!   the input before the upload (follow_up.rs).
//!
//! Either way the batch is done. One that fails is delivered again by the queue, and in the end moved to the queue of
//! lost messages.
//!
//! CloudFormation calls the same function to switch an existing bucket's events on (bucket_switch.rs), and a clock to
//! say for how long the oldest run has been going: a run that hangs tells of nothing itself.

mod bucket_switch;
mod follow_up;
mod messages;
mod options;
mod runs;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use pomona_run::clock;
use pomona_run::executions;
use pomona_store::sdk_config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use bucket_switch::{Buckets, S3Buckets};
pub use follow_up::{Queue, SqsQueue};
use messages::Batch;
pub use runs::{Recent, Runs, StateMachine, is_run};

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::{parse, task};
use crate::metrics::Work;
use crate::settings::Settings;
use crate::stores::Stores;

/// Starts runs when the input has changed.
pub struct Trigger {
    /// Open stores.
    pub stores: Stores,
    /// The runs of the state machine.
    pub runs: Box<dyn Runs>,
    /// The queue that feeds this function.
    pub queue: Box<dyn Queue>,
    /// Buckets whose events can be switched on.
    pub buckets: Box<dyn Buckets>,
    /// What is run.
    pub dataset: Dataset,
    /// At least so long after the start of one run the next one is started.
    pub interval: Duration,
}

/// What a run that starts by itself works on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Where images are.
    pub input: BucketLocation,
    /// Where results go.
    pub output: BucketLocation,
    /// The run's options, JSON as in an execution's input.
    pub options: String,
}

/// What the clock asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Watch,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A run was started, after everything that the messages tell of.
    Started {
        /// Its execution's name.
        execution: String,
    },
    /// No run may start now: a message was left that arrives later.
    Postponed,
    /// No run may start now, and a message that arrives later was left before.
    PostponedBefore,
    /// No message asks for a run.
    NotWanted,
    /// CloudFormation was answered.
    Answered,
    /// It was looked for runs that are going.
    Watched {
        /// For how many minutes the oldest of them has been going; nothing where there is none.
        running_minutes: Option<u64>,
    },
}

impl Answer for Outcome {
    fn work(&self) -> Work {
        let Self::Watched { running_minutes } = self else { return Work::default() };
        Work { running_minutes: *running_minutes, ..Work::default() }
    }

    /// A clock asks all day, so that its looks would be paid for every hour of the month.
    fn is_timed(&self) -> bool {
        !matches!(self, Self::Watched { .. })
    }
}

impl Trigger {
    /// The function as its settings say.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that it needs and that is missing or cannot be used.
    pub async fn new(settings: &Settings) -> Result<Self, Error> {
        let config = sdk_config().await;
        Ok(Self {
            stores: Stores::default(),
            runs: Box::new(StateMachine::new(&config, needed("POMONA_STATE_MACHINE", &settings.state_machine)?)),
            queue: Box::new(SqsQueue::new(&config, needed("POMONA_QUEUE", &settings.queue)?)),
            buckets: Box::new(S3Buckets::new(&config)),
            dataset: Dataset {
                input: needed("POMONA_INPUT", &settings.input)?,
                output: needed("POMONA_OUTPUT", &settings.output)?,
                options: settings.run_options.clone(),
            },
            interval: needed("POMONA_MINUTES_BETWEEN_RUNS", &settings.interval)?,
        })
    }

    async fn on_messages(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Outcome, Error> {
        if !batch.asks_for_run(self.runs.as_ref()).await? {
            return Ok(Outcome::NotWanted);
        }
        let output = self.stores.open(&self.dataset.output).await?;
        if batch.brings_follow_up() {
            follow_up::take_back(output.as_ref(), now).await?;
        }
        let name = self.name(now);
        let request = self.request(now)?;
        if self.may_start(now).await? && self.runs.start(&name, &request).await? {
            return Ok(Outcome::Started { execution: name });
        }
        follow_up::leave(output.as_ref(), self.queue.as_ref(), now).await
    }

    async fn watch(&self, now: DateTime<Utc>) -> Result<Outcome, Error> {
        let oldest = self.runs.oldest_going().await?;
        let minutes = oldest.map(|start| (now - start).num_minutes().max(0).cast_unsigned());
        Ok(Outcome::Watched { running_minutes: minutes })
    }

    /// The list that this asks is a little behind, so two calls at once can both be told yes: the name decides then.
    async fn may_start(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        let recent = self.runs.recent().await?;
        let is_too_early = recent.newest_start.is_some_and(|start| now < start + self.interval);
        Ok(!recent.is_any_going && !is_too_early)
    }

    /// One name for each dataset and window of time; a window is as long as the interval between runs.
    fn name(&self, now: DateTime<Utc>) -> String {
        let dataset = Sha256::digest(format!("{}\0{}", self.dataset.input, self.dataset.output));
        let seconds = i64::try_from(self.interval.as_secs()).unwrap_or(i64::MAX).max(1);
        let window = DateTime::from_timestamp(now.timestamp() / seconds * seconds, 0).unwrap_or_default();
        format!("{}{dataset:.16x}-{}", executions::OF_UPLOADS, window.format("%Y%m%dT%H%M%SZ"))
    }

    /// The execution's input. The time in it makes that of every call its own: Step Functions answers a second start
    /// with the same name *and* input as if it had been the first, although the run that is going may have listed the
    /// input before the latest upload.
    fn request(&self, now: DateTime<Utc>) -> Result<Value, Error> {
        let Dataset { input, output, options } = &self.dataset;
        let options = options::usable(options)?;
        Ok(json!({"input": input, "output": output, "options": options, "requested": now}))
    }
}

impl Function for Trigger {
    type Answer = Outcome;

    async fn handle(&self, event: Value) -> Result<Outcome, Error> {
        if event.get("RequestType").is_some() {
            let request = parse("the request of CloudFormation", event)?;
            let settings = options::usable(&self.dataset.options).map(drop);
            bucket_switch::answer(self.buckets.as_ref(), request, settings).await?;
            return Ok(Outcome::Answered);
        }
        if event.get("task").is_some() {
            let (Task::Watch, _) = task(event)?;
            return self.watch(clock::now()).await;
        }
        let batch: Batch = parse("the event", event)?;
        let outcome = self.on_messages(&batch, clock::now()).await?;
        tracing::info!(messages = batch.messages.len(), ?outcome, "the input has changed");
        Ok(outcome)
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

/// Tells CloudFormation, if it is what asks, that there is no function that could do what it wants; otherwise the stack
/// would wait in vain, and its rollback, too.
pub(crate) async fn answer_without_function(event: &Value, reason: &str) {
    let Ok(request) = serde_json::from_value(event.clone()) else { return };
    if let Err(error) = bucket_switch::refuse(request, reason).await {
        tracing::error!(%error, "CloudFormation waits in vain");
    }
}

fn needed<T: Clone>(name: &'static str, setting: &Option<T>) -> Result<T, Error> {
    setting.clone().ok_or_else(|| Error::setting(name, "it is not set"))
}
