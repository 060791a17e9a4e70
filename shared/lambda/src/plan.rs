//! The Lambda `plan`: takes the output's lock and plans a run, or checks what a Map left undone.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pomona_aws::Executions;
use pomona_dataset::Images;
use pomona_formats::planned;
use pomona_formats::recipe::Recipe;
use pomona_run::diagnosis::Diagnosis;
use pomona_run::layout::RunLayout;
use pomona_run::{ErrorName, Location, Options, RunId, executions};
use pomona_stages::archives::KeptIndexes;
use pomona_stages::image_tables::ImageTables;
use pomona_stages::lock::{self, Holders};
use pomona_stages::models::Models;
use pomona_stages::{Error as StageError, expiry, plan, recipe};
use pomona_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::BucketLocation;
use crate::check::{CheckRequest, Checked, check};
use crate::diagnose::{DiagnoseRequest, diagnose};
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::{parse, task};
use crate::probe::probe;
use crate::problems::RunPlace;
use crate::settings::Settings;
use crate::stores::Stores;
use crate::trigger::is_run;

/// How long an execution may hold an output: the state machine's `TimeoutSeconds`. One that ended earlier holds nobody
/// up, because [`Executions`] knows that it has.
pub const LEASE: Duration = Duration::from_secs(86_400);

/// Plans runs.
pub struct Planner {
    /// Open stores.
    pub stores: Stores,
    /// How list-batch makes features.
    pub recipe: Recipe,
    /// Where images are when a request does not say.
    pub input: Option<BucketLocation>,
    /// Where results go when a request does not say.
    pub output: Option<BucketLocation>,
    /// Shards that are worked on at once when a request does not say.
    pub max_concurrency: NonZeroU32,
    /// The age at which what a run is going to use is made young again; never, where nothing expires.
    pub refresh_age: Option<Duration>,
    /// What is known about others that hold the output.
    pub holders: Box<dyn Holders>,
}

/// An execution of the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// Its ARN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was started; with the name, this makes the run's id.
    pub started: DateTime<Utc>,
}

/// The state machine's input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionInput {
    /// Where images are.
    #[serde(default)]
    pub input: Option<BucketLocation>,
    /// Where results go.
    #[serde(default)]
    pub output: Option<BucketLocation>,
    /// What the user chose.
    #[serde(default)]
    pub options: Options,
    /// An earlier run at the same output whose models are taken, instead of fitting the run's own.
    #[serde(default)]
    pub model: Option<RunId>,
    /// Shards that are worked on at once; the stack's own number where nobody says.
    #[serde(default)]
    pub max_concurrency: Option<NonZeroU32>,
    /// When the trigger asked for the run; for people, and so that no two of its requests are the same.
    #[serde(default)]
    pub requested: Option<DateTime<Utc>>,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PlanAnswer {
    /// To the task `plan`.
    Planned(Box<ExecutionState>),
    /// To the task `check`.
    Checked(Checked),
    /// To the task `diagnose`.
    Diagnosed(Diagnosis),
}

impl Answer for PlanAnswer {}

/// A plan in names and counters: the state of the state machine. Keys are complete keys in `bucket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExecutionState {
    /// The run.
    pub run_id: RunId,
    /// Where images are, if any is to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<BucketLocation>,
    /// Where results go.
    pub output: BucketLocation,
    /// The output's bucket.
    pub bucket: String,
    /// The run's folder, without a slash at its end.
    pub run_prefix: String,
    /// What the next Map works through, first the shards without a part.
    pub items: Items,
    /// What a Map left, where a check has found any.
    pub left_key: String,
    /// All shards.
    pub shards_key: String,
    /// Listed images.
    pub images: u64,
    /// Shards.
    pub shards: u64,
    /// Shards without a part.
    pub missing: u64,
    /// Levels of merging before reduce, which merges the last one itself.
    pub combine_levels: u32,
    /// Shards that are worked on at once.
    pub max_concurrency: NonZeroU32,
    /// What the last check found: nothing yet.
    pub check: Checked,
}

impl ExecutionState {
    /// Of a plan; where no image is to be read there is no input.
    pub(crate) fn new(
        input: Option<BucketLocation>,
        output: BucketLocation,
        plan: &planned::Plan,
        max_concurrency: NonZeroU32,
    ) -> Self {
        let layout = RunLayout::new(plan.run_id.as_str());
        Self {
            run_id: plan.run_id.clone(),
            bucket: output.bucket().to_owned(),
            run_prefix: output.key(layout.root()),
            items: Items { key: output.key(&layout.missing()) },
            left_key: output.key(&layout.left()),
            shards_key: output.key(&layout.shards()),
            images: plan.images,
            shards: plan.shards,
            missing: plan.missing,
            combine_levels: plan.merge_levels.saturating_sub(1),
            max_concurrency,
            check: Checked::default(),
            input,
            output,
        }
    }
}

/// A list that a Map reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Items {
    /// Its complete key in the output's bucket.
    pub key: String,
}

/// What the function is asked for.
#[derive(Debug)]
enum Event {
    Plan { execution: Execution, request: Box<ExecutionInput>, replans: u32 },
    Check(CheckRequest),
    Diagnose(DiagnoseRequest),
}

impl Event {
    fn parse(event: Value) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Task {
            Plan,
            Check,
            Diagnose,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ToPlan {
            execution: Execution,
            replans: u32,
            // A list would fill the input's fields one after the other, and an empty one leave all at their defaults.
            request: Map<String, Value>,
        }
        match task(event)? {
            (Task::Plan, event) => {
                let ToPlan { execution, replans, request } = parse("the event", event)?;
                let request = Box::new(parse("the execution's input", request.into())?);
                Ok(Self::Plan { execution, request, replans })
            }
            (Task::Check, event) => Ok(Self::Check(parse("the event", event)?)),
            (Task::Diagnose, event) => Ok(Self::Diagnose(parse("the event", event)?)),
        }
    }
}

impl Planner {
    /// The function as its settings say.
    ///
    /// # Errors
    /// [`pomona_stages::Error::Recipe`].
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            stores: Stores::default(),
            recipe: recipe::read_beside(&settings.model)?,
            input: settings.input.clone(),
            output: settings.output.clone(),
            max_concurrency: settings.max_concurrency,
            refresh_age: settings.refresh_age,
            holders: Box::new(Executions),
        })
    }

    async fn plan(
        &self,
        execution: &Execution,
        request: ExecutionInput,
        replans: u32,
    ) -> Result<ExecutionState, Error> {
        if !is_run(&execution.name) {
            return Err(Error::Event {
                subject: "the execution's input",
                problem: format!(
                    "it does not say `erase`, and the execution's name begins with `{}`",
                    executions::OF_ERASURES
                ),
            });
        }
        let input = location("input", request.input.clone(), self.input.as_ref())?;
        let output = location("output", request.output.clone(), self.output.as_ref())?;
        request.options.validate()?;
        let all = Location::from(input.clone());
        all.refuse_inside(&output.clone().into())?;
        let (place, archive) = pomona_dataset::parted_bucket(&input);
        let (from, to) = (self.stores.open(&place).await?, self.stores.open(&output).await?);
        let indexes = KeptIndexes::new(to.as_ref());
        let images = Images::new(from.as_ref()).in_archive(archive).with_indexes(&indexes);
        let tables = ImageTables::read(&request.options, &all, async |place: &Location| match place {
            Location::Bucket(place) => self.stores.open(place).await,
            Location::Folder(_) => Err(Error::Event {
                subject: "the execution's input",
                problem: "`labels` and `list` are objects in S3; write s3://bucket/key".to_owned(),
            }),
        });
        let tables = tables.await?;
        let images = tables.apply(images);

        let run_id = execution.run_id();
        lock::acquire(to.as_ref(), &run_id, &execution.id, LEASE, self.holders.as_ref()).await?;
        match self.plan_and_refresh((&images, from.as_ref()), to.as_ref(), (execution, replans), &request).await {
            Ok(plan) => {
                // Another call for the same event may have met what this one did not, and given the lock back.
                if !lock::is_held_by(to.as_ref(), &run_id).await? {
                    lock::acquire(to.as_ref(), &run_id, &execution.id, LEASE, self.holders.as_ref()).await?;
                }
                let max_concurrency = request.max_concurrency.unwrap_or(self.max_concurrency);
                Ok(ExecutionState::new(Some(input), output, &plan, max_concurrency))
            }
            Err(error) => {
                if !is_planned_by_another(to.as_ref(), &run_id, replans, &error).await {
                    give_lock_back(to.as_ref(), &run_id).await;
                }
                Err(error)
            }
        }
    }

    async fn plan_and_refresh(
        &self,
        (images, from): (&Images<'_>, &dyn Store),
        to: &dyn Store,
        (execution, replans): (&Execution, u32),
        request: &ExecutionInput,
    ) -> Result<planned::Plan, Error> {
        let models = match &request.model {
            Some(fitted) => Some(Models::find(to, Some(fitted)).await?),
            None => None,
        };
        let wanted = plan::PlanRequest {
            run_id: &execution.run_id(),
            started: execution.started,
            options: &request.options,
            recipe: &self.recipe,
            models: models.as_ref(),
            replans,
            counted: plan::Counted::OverTheRun,
            in_place_of: None,
            on_file: &|| {},
        };
        let plan = plan::plan(images, to, &wanted).await?;
        probe(from, to, &plan).await?;
        if let Some(age) = self.refresh_age {
            expiry::refresh(to, &plan.run_id, age).await?;
        }
        Ok(plan)
    }
}

impl Function for Planner {
    type Answer = PlanAnswer;

    async fn handle(&self, event: Value) -> Result<PlanAnswer, Error> {
        match Event::parse(event)? {
            Event::Plan { execution, request, replans } => {
                Ok(PlanAnswer::Planned(Box::new(self.plan(&execution, *request, replans).await?)))
            }
            Event::Check(request) => Ok(PlanAnswer::Checked(check(&self.stores, &request).await?)),
            Event::Diagnose(request) => {
                let diagnosis =
                    Box::pin(diagnose(&self.stores, self.input.as_ref(), self.output.as_ref(), &request)).await;
                Ok(PlanAnswer::Diagnosed(diagnosis))
            }
        }
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }

    /// A run that is to be planned has no name in its event. Nothing is written below an input, problems neither.
    fn run_of(&self, event: &Value) -> Option<RunPlace> {
        let location = |name: &str, otherwise: &Option<BucketLocation>| {
            BucketLocation::deserialize(&event["request"][name]).ok().or_else(|| otherwise.clone())
        };
        let planned = || {
            let output = location("output", &self.output)?;
            if let Some(input) = location("input", &self.input) {
                Location::from(input).refuse_inside(&output.clone().into()).ok()?;
            }
            Some(RunPlace { output, run_id: Execution::deserialize(&event["execution"]).ok()?.run_id() })
        };
        RunPlace::named_in(event).or_else(planned)
    }
}

impl Execution {
    /// The run that it plans, and the name of its lock.
    pub(crate) fn run_id(&self) -> RunId {
        RunId::new(self.started, &self.name)
    }
}

/// Where a request wants something, or the stack has it.
pub(crate) fn location(
    name: &'static str,
    wanted: Option<BucketLocation>,
    otherwise: Option<&BucketLocation>,
) -> Result<BucketLocation, Error> {
    wanted.or_else(|| otherwise.cloned()).ok_or_else(|| Error::Event {
        subject: "the execution's input",
        problem: format!("`{name}` is missing, and the stack has no {name} of its own; write s3://bucket/prefix"),
    })
}

/// Whether another call that was handed the same event may have planned, or be about to: then the lock is that call's,
/// too. What no try mends ends that one as well.
async fn is_planned_by_another(output: &dyn Store, run_id: &RunId, replans: u32, error: &Error) -> bool {
    if let Error::Stage(StageError::Overtaken { .. }) = error {
        // A run that is over needs no lock.
        return !plan::has_succeeded(output, run_id).await.unwrap_or_default();
    }
    let may_be_tried_again = replans == 0 && error.name() == ErrorName::Retryable;
    let plan = RunLayout::new(run_id.as_str()).plan();
    may_be_tried_again && output.exists(&plan).await.unwrap_or_default()
}

/// The error that ended the plan is the one to mend; a lock that stays is void when the execution has ended.
async fn give_lock_back(output: &dyn Store, run_id: &RunId) {
    if let Err(error) = lock::release(output, run_id).await {
        tracing::warn!(%error, "could not give the lock back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(request: Value) -> Value {
        let id = "arn:aws:states:eu-west-1:1:execution:p:e";
        let execution = json!({"id": id, "name": "e", "started": "2026-01-31T12:00:00.75Z"});
        json!({"task": "plan", "execution": execution, "replans": 0, "request": request})
    }

    fn request(request: Value) -> Result<ExecutionInput, Error> {
        match Event::parse(event(request))? {
            Event::Plan { request, .. } => Ok(*request),
            Event::Check(_) | Event::Diagnose(_) => unreachable!("the event asks for a plan"),
        }
    }

    #[test]
    fn an_empty_request_has_defaults() {
        let request = request(json!({})).unwrap();
        assert_eq!((request.input, request.output, request.max_concurrency), (None, None, None));
        assert_eq!(request.options, Options::default());
    }

    #[test]
    fn a_request_says_where_how_and_how_much_at_once() {
        let request = request(json!({
            "input": "s3://b/in/", "output": "s3://b/out", "options": {"limit": 3}, "max_concurrency": 5,
        }));
        let request = request.unwrap();
        assert_eq!(request.input, Some("s3://b/in".parse().unwrap()));
        assert_eq!((request.options.limit, request.max_concurrency), (Some(3), NonZeroU32::new(5)));
    }

    #[test]
    fn a_wrong_field_is_bad_input_and_named() {
        let cases = [
            ("optoins", json!({"optoins": {}})),
            ("componets", json!({"options": {"componets": 3}})),
            ("`options.components`", json!({"options": {"components": "many"}})),
            ("`options.shard_size`", json!({"options": {"shard_size": -1}})),
            ("`max_concurrency`", json!({"max_concurrency": 0})),
            ("`input`: \"images\"", json!({"input": "images"})),
        ];
        for (named, wrong) in cases {
            let error = request(wrong).unwrap_err();
            assert_eq!(error.name().as_str(), "Pomona.BadInput");
            let message = error.to_string();
            assert!(message.starts_with("the execution's input") && message.contains(named), "{named}: {message}");
        }
        assert!(request(json!(null)).is_err() && request(json!([])).is_err());
    }

    #[test]
    fn a_location_that_nobody_names_is_asked_for() {
        assert!(location("output", None, None).unwrap_err().to_string().contains("`output`"));
        let (own, other): (BucketLocation, BucketLocation) =
            ("s3://own".parse().unwrap(), "s3://other".parse().unwrap());
        assert_eq!(location("output", None, Some(&own)).unwrap(), own);
        assert_eq!(location("output", Some(other.clone()), Some(&own)).unwrap(), other);
    }

    #[test]
    fn an_event_says_what_it_asks_for() {
        let check = |task: &str| {
            json!({
                "task": task, "output": "s3://b", "run_id": "20260131T120000Z-0123abcd", "stage": "extract",
                "before": {"missing": 0, "changed": 0, "damaged": 0, "idle": 0},
            })
        };
        assert!(matches!(Event::parse(check("check")).unwrap(), Event::Check(_)));
        assert!(Event::parse(check("plan")).is_err());
        assert!(Event::parse(check("chekc")).unwrap_err().to_string().contains("`task`: unknown variant `chekc`"));
        assert!(Event::parse(json!({"task": "check", "output": "s3://b"})).is_err());
        assert!(Event::parse(json!({"output": "s3://b", "run_id": "20260131T120000Z-0123abcd"})).is_err());
        assert!(Event::parse(json!([])).is_err());
    }
}
