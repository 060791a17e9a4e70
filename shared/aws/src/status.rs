//! How an execution is going.

use std::cmp::Reverse;

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::describe_map_run::DescribeMapRunOutput;
use aws_sdk_sfn::primitives;
use aws_sdk_sfn::types::{HistoryEvent, MapRunListItem};
use chrono::{DateTime, Utc};
use pomona_run::layout::RunLayout;
use pomona_run::stage::Stage;
use pomona_run::sweep::Method;
use pomona_run::{BucketLocation, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::advice::{Advice, advice};
use crate::error::Error;
use crate::stack::Stack;
use crate::state::State;

/// So many of an execution's last events are looked at for the states it was in: more than all retries of one state
/// make, and the most that one answer holds.
const LAST_EVENTS: i32 = 1_000;

/// So many of them are looked at with their data for the pass that a fit is in: a pass leaves some twenty.
const EVENTS_OF_A_PASS: i32 = 100;

/// The Map of a pass (`statemachine/pipeline.asl.json`).
const SWEEP: &str = "Sweep";

/// The states that lead back into a Map with what was left out of it (`statemachine/pipeline.asl.json`).
const LEADING_BACK: [&str; 4] = ["ExtractLeft", "CombineLeft", "SweepLeft", "ProjectLeft"];

/// An execution at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Its ARN.
    pub execution: String,
    /// The run that it makes.
    pub run_id: RunId,
    /// Whether it is going.
    pub state: State,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// The stage it is in, or the last one it was in.
    pub stage: Option<Stage>,
    /// Its Map Runs, oldest first; of those of passes the newest alone.
    pub map_runs: Vec<MapRun>,
    /// The pass that a fit is in; where the execution failed within a fit, the last one.
    pub pass: Option<Pass>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The run's folder: at its output where the execution's input names one, otherwise at the stack's own.
    pub results: String,
    /// What the report answered: images, rejects, classes, variance_explained, run.
    pub report: Option<Value>,
}

/// A pass of a fit, as reduce asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// What is fitted.
    pub method: Method,
    /// The pass, counted from 0.
    pub pass: u32,
    /// How far the fit was from its end when the pass began, as a multiple of what is near enough; where that is known.
    pub distance: Option<f64>,
}

/// The items (shards, or groups of moments) that a Map works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapRun {
    /// Its ARN.
    pub map_run: String,
    /// The stage that it is.
    pub stage: Option<Stage>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// All items; 0 until they were read.
    pub total: u64,
    /// Items that are done; while it is going, also those that are left out, which is counted behind it.
    pub succeeded: u64,
    /// Items whose children ended well and without them, because no Lambda was free: the next Map Run has them.
    pub left_out: u64,
    /// Items that are being worked on.
    pub running: u64,
    /// Items that failed, timed out or were stopped.
    pub failed: u64,
}

/// Why an execution failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The error's name.
    pub error: String,
    /// What the function or Step Functions said.
    pub cause: String,
    /// What the error means and what to do, where that is known.
    pub advice: Option<Advice>,
}

impl Status {
    /// Whether nothing more will happen.
    pub fn has_ended(&self) -> bool {
        self.state != State::Running
    }
}

impl Stack {
    /// How the execution with this ARN is going.
    ///
    /// # Errors
    /// [`Error::NoExecution`], and those of every request.
    pub async fn status(&self, execution: &str) -> Result<Status, Error> {
        let found = self.describe(execution).await?;
        let name = found.name().unwrap_or_default();
        let run_id = RunId::new(time(found.start_date()), name);
        let entered = self.last_states(execution).await?;
        let mut map_runs = self.map_runs(execution).await?;
        count_left_out(&mut map_runs, &entered);
        let stage = stage(&map_runs, &entered);
        let has_passes = map_runs.iter().any(|map_run| map_run.stage == Some(Stage::Sweep));
        let is_fitting = has_passes && matches!(stage, Some(Stage::Sweep | Stage::Reduce));
        Ok(Status {
            pass: if is_fitting { self.pass(execution).await? } else { None },
            state: found.status().into(),
            started: time(found.start_date()),
            ended: found.stop_date().map(time),
            stage,
            map_runs,
            failure: failure(&found),
            results: results(found.input(), &run_id),
            report: found.output().and_then(|output| serde_json::from_str(output).ok()),
            execution: found.execution_arn,
            run_id,
        })
    }

    pub(crate) async fn describe(&self, execution: &str) -> Result<DescribeExecutionOutput, Error> {
        let request = self.client.describe_execution().execution_arn(execution);
        request.send().await.map_err(|error| self.failed("look at the execution", execution, error))
    }

    /// The states that were entered last, newest first: by their numbers, whatever order the answer has.
    async fn last_states(&self, execution: &str) -> Result<Vec<Entered>, Error> {
        let history = self.last_events(execution, LAST_EVENTS, false).await?;
        let mut entered: Vec<Entered> = history.iter().filter_map(Entered::of).collect();
        entered.sort_by_key(|entered| Reverse(entered.id));
        Ok(entered)
    }

    /// The pass that reduce asked for last.
    async fn pass(&self, execution: &str) -> Result<Option<Pass>, Error> {
        let history = self.last_events(execution, EVENTS_OF_A_PASS, true).await?;
        let asked_for = history.iter().filter_map(|event| Some((event.id(), asked_for(event)?)));
        Ok(asked_for.max_by_key(|(id, _)| *id).map(|(_, pass)| pass))
    }

    async fn last_events(&self, execution: &str, most: i32, with_data: bool) -> Result<Vec<HistoryEvent>, Error> {
        let request = self.client.get_execution_history().execution_arn(execution);
        let request = request.reverse_order(true).max_results(most).include_execution_data(with_data);
        let history = request.send().await;
        let history = history.map_err(|error| self.failed("read the execution's history", execution, error))?;
        Ok(history.events)
    }

    async fn map_runs(&self, execution: &str) -> Result<Vec<MapRun>, Error> {
        let mut list = self.client.list_map_runs().execution_arn(execution).into_paginator().items().send();
        let mut listed = Vec::new();
        while let Some(found) = list.next().await {
            listed.push(found.map_err(|error| self.failed("list the execution's Map Runs", execution, error))?);
        }
        let mut map_runs = Vec::new();
        for found in without_earlier_passes(listed) {
            let request = self.client.describe_map_run().map_run_arn(found.map_run_arn());
            let map_run = request.send().await.map_err(|error| Error::of("look at a Map Run", error))?;
            map_runs.push(MapRun::from(map_run));
        }
        map_runs.sort_by_key(|map_run| map_run.started);
        Ok(map_runs)
    }
}

/// A classifier has a hundred passes, and each is a Map Run: only the newest is looked at.
fn without_earlier_passes(mut listed: Vec<MapRunListItem>) -> Vec<MapRunListItem> {
    let is_sweep = |found: &MapRunListItem| map_label(found.map_run_arn()) == Some(SWEEP);
    let newest = listed.iter().filter(|found| is_sweep(found)).map(|found| time(found.start_date())).max();
    listed.retain(|found| !is_sweep(found) || Some(time(found.start_date())) == newest);
    listed
}

/// The pass that an event says reduce has asked for.
fn asked_for(event: &HistoryEvent) -> Option<Pass> {
    let answer: Value = serde_json::from_str(event.task_succeeded_event_details()?.output()?).ok()?;
    serde_json::from_value(answer["Payload"].clone()).ok()
}

/// A state that an execution entered.
struct Entered {
    id: i64,
    state: String,
    at: DateTime<Utc>,
}

impl Entered {
    fn of(event: &HistoryEvent) -> Option<Self> {
        let state = event.state_entered_event_details()?.name().to_owned();
        Some(Self { id: event.id(), state, at: time(event.timestamp()) })
    }
}

fn stage(map_runs: &[MapRun], entered: &[Entered]) -> Option<Stage> {
    match map_runs.last() {
        Some(going) if going.ended.is_none() => going.stage,
        _ => entered.iter().find_map(|entered| Stage::of_state(&entered.state)),
    }
}

/// Tells of each Map Run what was left out of it: what the next one works through, where the state between them is the
/// one that leads back into the Map (`ExtractLeft`, and so on).
fn count_left_out(map_runs: &mut [MapRun], entered: &[Entered]) {
    let led_back: Vec<DateTime<Utc>> = entered
        .iter()
        .filter(|entered| LEADING_BACK.contains(&entered.state.as_str()))
        .map(|entered| entered.at)
        .collect();
    for number in 1..map_runs.len() {
        let (started, total) = (map_runs[number].started, map_runs[number].total);
        let before = &mut map_runs[number - 1];
        if led_back.iter().any(|at| (before.started..=started).contains(at)) {
            before.left_out = total.min(before.succeeded);
            before.succeeded -= before.left_out;
        }
    }
}

impl From<DescribeMapRunOutput> for MapRun {
    fn from(found: DescribeMapRunOutput) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let items = found.item_counts();
        Self {
            stage: map_label(found.map_run_arn()).and_then(Stage::of_state),
            started: time(found.start_date()),
            ended: found.stop_date().map(time),
            total: items.map_or(0, |items| count(items.total())),
            succeeded: items.map_or(0, |items| count(items.succeeded())),
            left_out: 0,
            running: items.map_or(0, |items| count(items.running())),
            failed: items.map_or(0, |items| count(items.failed() + items.timed_out() + items.aborted())),
            map_run: found.map_run_arn,
        }
    }
}

/// The label of the Map state in `arn:...:mapRun:<state machine>/<label>:<id>`.
fn map_label(arn: &str) -> Option<&str> {
    arn.rsplit_once('/')?.1.split_once(':').map(|(label, _)| label)
}

fn failure(found: &DescribeExecutionOutput) -> Option<Failure> {
    let error = found.error()?.to_owned();
    Some(Failure { advice: advice(&error), cause: plain(found.cause().unwrap_or_default()), error })
}

/// The message inside what a Lambda answers when it fails, or else the cause as it is.
fn plain(cause: &str) -> String {
    let answer: Option<Value> = serde_json::from_str(cause).ok();
    let message = answer.as_ref().and_then(|answer| answer["errorMessage"].as_str());
    message.unwrap_or(cause).to_owned()
}

fn results(input: Option<&str>, run_id: &RunId) -> String {
    let layout = RunLayout::new(run_id.as_str());
    let input: Option<Value> = input.and_then(|input| serde_json::from_str(input).ok());
    let output = input.as_ref().and_then(|input| input["output"].as_str()?.parse::<BucketLocation>().ok());
    match output {
        Some(output) => format!("s3://{}/{}", output.bucket(), output.key(layout.root())),
        None => layout.root().to_owned(),
    }
}

pub(crate) fn time(moment: &primitives::DateTime) -> DateTime<Utc> {
    DateTime::from_timestamp(moment.secs(), moment.subsec_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_machine_has_the_states_that_lead_back_into_a_map() {
        let machine: Value =
            serde_json::from_str(include_str!("../../../statemachine/pipeline.asl.json")).expect("the definition");
        for (state, map) in LEADING_BACK.into_iter().zip(["WhoExtracts", "Combine", "Sweep", "Project"]) {
            assert_eq!(machine["States"][state]["Next"], map, "{state}");
        }
    }

    #[test]
    fn the_label_of_a_map_run_is_in_its_arn() {
        let arn = "arn:aws:states:eu-west-1:123456789012:mapRun:pomona/Extract:0a1b-2c";
        assert_eq!(map_label(arn), Some("Extract"));
        assert_eq!(map_label("arn:aws:states:eu-west-1:123456789012:execution:pomona:x"), None);
    }

    #[test]
    fn the_message_of_a_lambda_is_taken_out_of_its_answer() {
        assert_eq!(
            plain(r#"{"errorType": "Pomona.NoImages", "errorMessage": "no images at `s3://b`"}"#),
            "no images at `s3://b`"
        );
        for text in ["somebody stopped it", "{}", ""] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn results_lie_at_the_output_that_the_input_names() {
        let run_id: RunId = "20260131T120000Z-0123abcd".parse().unwrap();
        let at = |input| results(input, &run_id);
        assert_eq!(at(Some(r#"{"output": "s3://b/all/"}"#)), format!("s3://b/all/runs/{run_id}"));
        for none in [None, Some("{}"), Some("no JSON"), Some(r#"{"output": 1}"#)] {
            assert_eq!(at(none), format!("runs/{run_id}"));
        }
    }
}
