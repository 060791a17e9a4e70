//! The Lambda `erase`: a step of an erasure, or what one group of files or one part adds to it.

use std::num::NonZeroU32;
use std::time::Duration;

use pomona_aws::Executions;
use pomona_formats::planned::Shard;
use pomona_run::layout::{self, RunLayout};
use pomona_run::{ErrorName, RunId, executions};
use pomona_stages::Error as StageError;
use pomona_stages::erase::{self, Attempt, Group, Round, steps};
use pomona_stages::lock::{self, Holders};
use pomona_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::{parse, task};
use crate::plan::{Execution, ExecutionState, Items, LEASE, location};
use crate::settings::Settings;
use crate::stores::Stores;

/// So long one call removes before it leaves the rest to the next: what it has begun then fits into the function's
/// limit of 15 minutes.
const TIME_TO_REMOVE: Duration = Duration::from_secs(600);

/// Erases.
pub struct Erase {
    /// Open stores.
    pub stores: Stores,
    /// Where results are when a request does not say.
    pub output: Option<BucketLocation>,
    /// Groups that are looked through at once when a request does not say.
    pub max_concurrency: NonZeroU32,
    /// What is known about others that hold the output.
    pub holders: Box<dyn Holders>,
}

/// The state machine's input, where it is to erase what was asked for. It names no image.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    output: Option<BucketLocation>,
    #[serde(default)]
    max_concurrency: Option<NonZeroU32>,
    /// That it is to erase.
    #[serde(rename = "erase")]
    _erase: Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What the steps of an erasure know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Its name.
    pub id: RunId,
    /// Where the results are.
    pub output: BucketLocation,
    /// Groups and shards that are worked on at once.
    pub max_concurrency: NonZeroU32,
}

/// Groups of files that a Map looks through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToSearch {
    /// For which erasure.
    pub erasure: Erasure,
    /// The output's bucket.
    pub bucket: String,
    /// Where the Map's results go, without a slash at its end.
    pub work_prefix: String,
    /// The groups.
    pub items: Items,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EraseAnswer {
    /// To the task `begin`.
    Begun(Box<ToSearch>),
    /// To the task `search`.
    Searched {
        /// Files that were read.
        files: u64,
        /// Those of them that name an image that is to be erased, or of which nothing is known.
        found: usize,
    },
    /// To the task `remake`.
    Remade(Remade),
    /// To the task `part`.
    PartMade {
        /// Its images.
        images: u64,
    },
    /// To the task `remove`.
    Removed {
        /// Whether there was time for all of it.
        is_done: bool,
        /// Then, what is to be looked through at last.
        #[serde(flatten)]
        to_search: Option<Box<ToSearch>>,
    },
    /// To the task `certify`, and of the execution.
    Certified {
        /// Images that were erased.
        images: usize,
        /// Files that were deleted.
        deleted: usize,
        /// The run that took the newest one's place.
        run: Option<String>,
        /// Why there is none, where nothing can be fitted to the images that stay: the error's name.
        no_run_because: Option<String>,
        /// The certificates at the output.
        certificates: Vec<String>,
    },
}

/// Whether the newest run is made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "todo", rename_all = "snake_case")]
pub enum Remade {
    /// By these shards.
    Run(Box<ExecutionState>),
    /// It need not be, or cannot.
    Remove,
}

impl Answer for EraseAnswer {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Begin,
    Search,
    Remake,
    Part,
    Remove,
    Certify,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToBegin {
    execution: Execution,
    request: Request,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchEvent {
    output: BucketLocation,
    group: Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToRemake {
    execution: Execution,
    erasure: Erasure,
    replans: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToMakePart {
    output: BucketLocation,
    shard: Shard,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    execution: Execution,
    erasure: Erasure,
}

impl Erase {
    /// The function as its settings say.
    pub fn new(settings: &Settings) -> Self {
        Self {
            stores: Stores::default(),
            output: settings.output.clone(),
            max_concurrency: settings.max_concurrency,
            holders: Box::new(Executions),
        }
    }

    /// Does a step by the output's lock, which is the execution's until it has ended or a step cannot be done. One that is
    /// redriven may find that others have had the output since: what it has seen is true no more.
    async fn step<T>(
        &self,
        (execution, output): (&Execution, &dyn Store),
        work: impl Future<Output = Result<T, StageError>>,
    ) -> Result<T, Error> {
        lock::refuse_lost(output, &execution.run_id()).await?;
        self.take_and_step((execution, output), work).await
    }

    /// The same, where the lock may have to be taken.
    async fn take_and_step<T>(
        &self,
        (execution, output): (&Execution, &dyn Store),
        work: impl Future<Output = Result<T, StageError>>,
    ) -> Result<T, Error> {
        let run_id = execution.run_id();
        lock::acquire(output, &run_id, &execution.id, LEASE, self.holders.as_ref()).await?;
        let done = work.await;
        // Another call for the same step may be at work where it can be tried again, or has come further.
        let may_go_on =
            |error: &StageError| error.name() == ErrorName::Retryable || matches!(error, StageError::Overtaken { .. });
        if done.as_ref().is_err_and(|error| !may_go_on(error)) {
            erase::give_up(output, &run_id).await?;
            lock::release(output, &run_id).await?;
        }
        Ok(done?)
    }

    async fn begin(&self, ToBegin { execution, request }: ToBegin) -> Result<ToSearch, Error> {
        if !execution.name.starts_with(executions::OF_ERASURES) {
            return Err(Error::Event {
                subject: "the execution's input",
                problem: format!(
                    "an execution that erases has a name that begins with `{}`, so that nobody takes it for a run",
                    executions::OF_ERASURES
                ),
            });
        }
        let place = location("output", request.output, self.output.as_ref())?;
        let output = self.stores.open(&place).await?;
        let output = output.as_ref();
        let run_id = execution.run_id();
        // Before the lock is there: no step goes on with what was seen before others have had the output.
        if !lock::is_held_by(output, &run_id).await? {
            erase::give_up(output, &run_id).await?;
        }
        let work = steps::begin(output, &run_id, execution.started);
        let attempt = self.take_and_step((&execution, output), work).await?;
        let max_concurrency = request.max_concurrency.unwrap_or(self.max_concurrency);
        let erasure = Erasure { id: attempt.erasure.clone(), output: place, max_concurrency };
        Ok(erasure.into_search(&attempt, Round::Before))
    }

    async fn remake(&self, ToRemake { execution, erasure, replans }: ToRemake) -> Result<Remade, Error> {
        let output = self.stores.open(&erasure.output).await?;
        let output = output.as_ref();
        let attempt = erasure.attempt(&execution);
        let work = steps::remake(output, &attempt, execution.started, replans);
        Ok(match self.step((&execution, output), work).await? {
            Some(plan) => {
                let state = ExecutionState::new(None, erasure.output, &plan, erasure.max_concurrency);
                Remade::Run(Box::new(state))
            }
            None => Remade::Remove,
        })
    }

    async fn remove(&self, Step { execution, erasure }: Step) -> Result<EraseAnswer, Error> {
        let output = self.stores.open(&erasure.output).await?;
        let output = output.as_ref();
        let attempt = erasure.attempt(&execution);
        let work = steps::remove(output, &attempt, Instant::now() + TIME_TO_REMOVE);
        let is_done = self.step((&execution, output), work).await?;
        let to_search = is_done.then(|| Box::new(erasure.into_search(&attempt, Round::After)));
        Ok(EraseAnswer::Removed { is_done, to_search })
    }

    async fn certify(&self, Step { execution, erasure }: Step) -> Result<EraseAnswer, Error> {
        let output = self.stores.open(&erasure.output).await?;
        let output = output.as_ref();
        let attempt = erasure.attempt(&execution);
        let certificates = match self.step((&execution, output), steps::certify(output, &attempt)).await {
            Ok(certificates) => certificates,
            // The answer of a call before this one may have been lost, or another one have come to its end meanwhile.
            Err(error) => vec![steps::certified(output, &erasure.id).await?.ok_or(error)?],
        };
        lock::release(output, &execution.run_id()).await?;
        let first = certificates.first();
        Ok(EraseAnswer::Certified {
            images: certificates.iter().map(|certificate| certificate.request.digests.len()).sum(),
            deleted: first.map_or(0, |first| first.deleted.len()),
            run: first
                .and_then(|first| first.run.as_ref())
                .map(|run| RunLayout::new(run.run_id.as_str()).root().to_owned()),
            no_run_because: first.and_then(|first| first.no_run_because.clone()),
            certificates: certificates.iter().map(|one| layout::erasure_certificate(&one.request.id)).collect(),
        })
    }
}

impl Erasure {
    fn attempt(&self, execution: &Execution) -> Attempt {
        Attempt { erasure: self.id.clone(), lock: execution.run_id() }
    }

    fn into_search(self, attempt: &Attempt, round: Round) -> ToSearch {
        ToSearch {
            bucket: self.output.bucket().to_owned(),
            work_prefix: self.output.key(attempt.work().trim_end_matches('/')),
            items: Items { key: self.output.key(&attempt.groups(round)) },
            erasure: self,
        }
    }
}

impl Function for Erase {
    type Answer = EraseAnswer;

    async fn handle(&self, event: Value) -> Result<EraseAnswer, Error> {
        match task(event)? {
            (Task::Begin, event) => Ok(EraseAnswer::Begun(Box::new(self.begin(parse("the event", event)?).await?))),
            (Task::Search, event) => {
                let SearchEvent { output, group } = parse("the event", event)?;
                let traces = erase::search(self.stores.open(&output).await?.as_ref(), &group).await?;
                let found = traces.holding.len() + traces.unreadable.len();
                Ok(EraseAnswer::Searched { files: traces.examined.files, found })
            }
            (Task::Remake, event) => Ok(EraseAnswer::Remade(self.remake(parse("the event", event)?).await?)),
            (Task::Part, event) => {
                let ToMakePart { output, shard } = parse("the event", event)?;
                steps::make_part(self.stores.open(&output).await?.as_ref(), &shard).await?;
                Ok(EraseAnswer::PartMade { images: shard.images })
            }
            (Task::Remove, event) => self.remove(parse("the event", event)?).await,
            (Task::Certify, event) => self.certify(parse("the event", event)?).await,
        }
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}
