//! Starting executions, finding them, and what is made of their answers.

use chrono::{DateTime, Utc};
use pomona_run::stage::Stage;
use pomona_run::sweep::Method;
use pomona_run::{Options, RunId};
use serde_json::{Value, json};

use super::server::Aws;
use crate::{Error, MapRun, Pass, RunRequest, Stack, State, Status};

const MACHINE: &str = "arn:aws:states:eu-west-3:123456789012:stateMachine:pomona";
pub(super) const EXECUTION: &str = "arn:aws:states:eu-west-3:123456789012:execution:pomona:monday";
/// 2026-01-31T12:00:00Z.
const NOON: f64 = 1_769_860_800.0;

fn machines(names: &[&str], next: Option<&str>) -> Value {
    let machine = |name: &&str| {
        let arn = MACHINE.replace(":pomona", &format!(":{name}"));
        json!({"name": name, "stateMachineArn": arn, "type": "STANDARD", "creationDate": NOON})
    };
    json!({"stateMachines": names.iter().map(machine).collect::<Vec<_>>(), "nextToken": next})
}

/// An AWS with the stack `pomona`.
pub(super) fn deployed() -> Aws {
    Aws::default().answer("ListStateMachines", machines(&["other", "pomona"], None))
}

pub(super) async fn stack(aws: &Aws) -> Stack {
    Stack::find(&aws.account(), "pomona").await.unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

/// What DescribeExecution answers, with these fields beside those that are always there.
pub(super) fn execution(status: &str, more: Value) -> Value {
    let mut answer = json!({
        "executionArn": EXECUTION, "stateMachineArn": MACHINE, "name": "monday", "status": status, "startDate": NOON + 0.25,
        "input": r#"{"output": "s3://results/all"}"#,
    });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

/// What ListExecutions answers where executions with these names are going.
pub(super) fn executions(names: &[&str]) -> Value {
    let item = |name: &&str| {
        let arn = EXECUTION.replace(":monday", &format!(":{name}"));
        json!({"executionArn": arn, "stateMachineArn": MACHINE, "name": name, "status": "RUNNING", "startDate": NOON})
    };
    json!({"executions": names.iter().map(item).collect::<Vec<_>>()})
}

/// What GetExecutionHistory answers, newest first, when these states were entered.
pub(super) fn history(states: &[&str]) -> Value {
    let event = |(id, name): (usize, &&str)| json!({"id": id + 1, "timestamp": NOON, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}});
    let mut events: Vec<_> = states.iter().enumerate().map(event).collect();
    events.push(json!({"id": states.len() + 1, "timestamp": NOON, "type": "MapRunStarted"}));
    events.reverse();
    json!({"events": events})
}

fn map_run_arn(label: &str) -> String {
    format!("{}/{label}:0a1b", MACHINE.replace(":stateMachine:", ":mapRun:"))
}

pub(super) fn map_runs(labels: &[&str]) -> Value {
    let item = |label: &&str| json!({"executionArn": EXECUTION, "mapRunArn": map_run_arn(label), "stateMachineArn": MACHINE, "startDate": NOON});
    json!({"mapRuns": labels.iter().map(item).collect::<Vec<_>>()})
}

/// What DescribeMapRun answers: items that are pending, running, succeeded, failed and timed out.
fn map_run(label: &str, seconds: f64, [pending, running, succeeded, failed, timed_out]: [u64; 5]) -> Value {
    let counts = json!({
        "pending": pending, "running": running, "succeeded": succeeded, "failed": failed, "timedOut": timed_out, "aborted": 0,
        "total": pending + running + succeeded + failed + timed_out, "resultsWritten": 0,
    });
    json!({
        "mapRunArn": map_run_arn(label), "executionArn": EXECUTION, "status": "RUNNING", "startDate": NOON + seconds, "maxConcurrency": 64,
        "toleratedFailurePercentage": 0.0, "toleratedFailureCount": 0, "itemCounts": counts, "executionCounts": counts,
    })
}

async fn status(aws: Aws) -> Status {
    stack(&aws).await.status(EXECUTION).await.unwrap()
}

#[tokio::test]
async fn a_stack_is_found_by_its_name_on_any_page() {
    let aws = Aws::default()
        .answer("ListStateMachines", machines(&["pomona-2", "other"], Some("more")))
        .answer("ListStateMachines", machines(&["pomona"], None));
    assert_eq!(stack(&aws).await.state_machine(), MACHINE);
    assert_eq!(aws.asked("ListStateMachines")[1].body["nextToken"], "more");
}

#[tokio::test]
async fn a_stack_that_does_not_exist_is_named_with_its_region() {
    let error = Stack::find(&deployed().account(), "pomonas").await.unwrap_err();
    assert!(matches!(error, Error::NoStack { .. }));
    let message = error.to_string();
    assert!(message.contains("`pomonas`") && message.contains("eu-west-3") && message.contains("--stack"), "{message}");
}

#[tokio::test]
async fn an_execution_is_started_with_the_documented_input_and_a_name_of_its_own() {
    let aws = deployed().answer("StartExecution", json!({"executionArn": EXECUTION, "startDate": NOON}));
    let request = RunRequest {
        input: Some("s3://in/images/".parse().unwrap()),
        options: Options { limit: Some(3), ..Options::default() },
        ..RunRequest::default()
    };
    let stack = stack(&aws).await;
    assert_eq!(stack.start(&request).await.unwrap(), EXECUTION);
    stack.start(&request).await.unwrap();
    let [first, second] = &aws.asked("StartExecution")[..] else { panic!("two requests") };
    assert_eq!(first.body["stateMachineArn"], MACHINE);
    assert_ne!(first.body["name"], second.body["name"]);
    let input: Value = serde_json::from_str(first.body["input"].as_str().unwrap()).unwrap();
    assert_eq!((&input["input"], &input["options"]["limit"]), (&json!("s3://in/images"), &json!(3)));
    assert_eq!(input.get("output"), None);
}

#[tokio::test]
async fn the_newest_execution_is_meant_unless_one_is_named() {
    let stack = stack(&deployed().answer("ListExecutions", executions(&["monday"]))).await;
    assert_eq!(stack.execution(None).await.unwrap(), EXECUTION);
    assert_eq!(stack.execution(Some("monday")).await.unwrap(), EXECUTION);
    assert_eq!(stack.execution(Some("arn:aws:states:x")).await.unwrap(), "arn:aws:states:x");
}

#[tokio::test]
async fn a_stack_that_never_ran_says_so() {
    let stack = stack(&deployed().answer("ListExecutions", executions(&[]))).await;
    let error = stack.execution(None).await.unwrap_err();
    assert!(matches!(error, Error::NoExecutions { .. }) && error.to_string().contains("pomona start"), "{error}");
}

#[tokio::test]
async fn a_running_execution_has_a_stage_and_counts() {
    let aws = deployed()
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer("GetExecutionHistory", history(&["Start", "Plan", "Extract"]))
        .answer("ListMapRuns", map_runs(&["Extract"]))
        .answer("DescribeMapRun", map_run("Extract", 60.0, [70, 20, 34, 3, 1]));
    let status = status(aws).await;
    assert_eq!((status.state, status.stage, status.has_ended()), (State::Running, Some(Stage::Extract), false));
    assert_eq!((status.failure, status.report, status.ended), (None, None, None));
    // The run that the Lambdas make of this execution.
    let run_id = RunId::new(noon(), "monday");
    assert_eq!(status.results, format!("s3://results/all/runs/{run_id}"));
    let counts = MapRun {
        map_run: map_run_arn("Extract"),
        stage: Some(Stage::Extract),
        started: "2026-01-31T12:01:00Z".parse().unwrap(),
        ended: None,
        total: 128,
        succeeded: 34,
        left_out: 0,
        running: 20,
        failed: 4,
    };
    assert_eq!(status.map_runs, [counts]);
}

#[tokio::test]
async fn map_runs_stand_in_the_order_in_which_they_began() {
    let aws = deployed()
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer("GetExecutionHistory", history(&["Plan", "Extract", "Project"]))
        .answer("ListMapRuns", map_runs(&["Project", "Extract"]))
        .answer("DescribeMapRun", map_run("Project", 90.0, [1, 0, 0, 0, 0]))
        .answer("DescribeMapRun", map_run("Extract", 60.0, [0, 0, 1, 0, 0]));
    let status = status(aws).await;
    let stages: Vec<_> = status.map_runs.iter().map(|map_run| map_run.stage).collect();
    assert_eq!(stages, [Some(Stage::Extract), Some(Stage::Project)]);
    assert_eq!(status.stage, Some(Stage::Project));
}

/// A child that found no Lambda ends well, so that the others go on.
#[tokio::test]
async fn what_a_map_run_left_out_for_the_next_one_was_not_done() {
    for (between, counts) in [("ExtractLeft", [(8, 2), (1, 0)]), ("Replan", [(10, 0), (1, 0)])] {
        let mut first = map_run("Extract", 60.0, [0, 0, 10, 0, 0]);
        first["stopDate"] = json!(NOON + 70.0);
        let entered = |(id, name, seconds): (usize, &str, f64)| json!({"id": id, "timestamp": NOON + seconds, "type": "PassStateEntered", "stateEnteredEventDetails": {"name": name}});
        let events =
            [(4, "Extract", 81.0), (3, between, 80.0), (2, "CheckParts", 71.0), (1, "Extract", 59.0)].map(entered);
        let aws = deployed()
            .answer("DescribeExecution", execution("RUNNING", json!({})))
            .answer("GetExecutionHistory", json!({"events": events}))
            .answer("ListMapRuns", map_runs(&["Extract", "Extract"]))
            .answer("DescribeMapRun", first)
            .answer("DescribeMapRun", map_run("Extract", 82.0, [1, 0, 1, 0, 0]));
        let found: Vec<_> = status(aws).await.map_runs.iter().map(|run| (run.succeeded, run.left_out)).collect();
        assert_eq!(found, counts, "{between}");
    }
}

/// A classifier has a hundred of them.
#[tokio::test]
async fn of_the_passes_of_a_fit_the_newest_is_shown_and_how_far_it_is() {
    let answer = json!({"Payload": {"groups": 4, "method": "classifier", "pass": 41, "distance": 12.5}}).to_string();
    let succeeded = |id: usize, output: &str| json!({"id": id, "timestamp": NOON, "type": "TaskSucceeded", "taskSucceededEventDetails": {"resource": "invoke", "resourceType": "lambda", "output": output}});
    let earlier = r#"{"Payload": {"groups": 4, "method": "classifier", "pass": 40, "distance": 20.0}}"#;
    let with_data = [succeeded(7, r#"{"Payload": {"done": 4}}"#), succeeded(6, &answer), succeeded(2, earlier)];
    let mut sweeps = map_runs(&["Sweep", "Sweep"]);
    sweeps["mapRuns"][0]["startDate"] = json!(NOON + 90.0);
    let aws = deployed()
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer("GetExecutionHistory", history(&["Reduce", "Sweep"]))
        .answer("GetExecutionHistory", json!({"events": with_data}))
        .answer("ListMapRuns", sweeps)
        .answer("DescribeMapRun", map_run("Sweep", 90.0, [1, 1, 2, 0, 0]));
    let status = status(aws.clone()).await;
    assert_eq!(status.pass, Some(Pass { method: Method::Classifier, pass: 41, distance: Some(12.5) }));
    assert_eq!((status.map_runs.len(), aws.asked("DescribeMapRun").len()), (1, 1));
    let with_data: Vec<bool> =
        aws.asked("GetExecutionHistory").iter().map(|asked| asked.body["includeExecutionData"] == true).collect();
    assert_eq!(with_data, [false, true]);
}

#[tokio::test]
async fn between_map_runs_the_state_that_was_entered_last_tells_the_stage() {
    let mut ended = map_run("Extract", 60.0, [0, 0, 1, 0, 0]);
    ended["stopDate"] = json!(NOON + 70.0);
    let aws = deployed()
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer(
            "GetExecutionHistory",
            history(&["Start", "Plan", "Extract", "CheckParts", "IsCombiningNeeded", "Reduce"]),
        )
        .answer("ListMapRuns", map_runs(&["Extract"]))
        .answer("DescribeMapRun", ended);
    assert_eq!(status(aws.clone()).await.stage, Some(Stage::Reduce));
    assert_eq!(aws.asked("GetExecutionHistory")[0].body["reverseOrder"], true);
}

#[tokio::test]
async fn a_failed_execution_says_why_and_what_to_do() {
    let cause = r#"{"errorType": "Pomona.NoImages", "errorMessage": "no images at `s3://in`"}"#;
    let failed = json!({"stopDate": NOON + 5.0, "error": "Pomona.NoImages", "cause": cause});
    let aws = deployed()
        .answer("DescribeExecution", execution("FAILED", failed))
        .answer("GetExecutionHistory", history(&["Start", "Plan"]))
        .answer("ListMapRuns", map_runs(&[]));
    let status = status(aws).await;
    assert_eq!((status.state, status.stage), (State::Failed, Some(Stage::Plan)));
    assert_eq!(status.ended.unwrap().timestamp(), noon().timestamp() + 5);
    let failure = status.failure.unwrap();
    assert_eq!((failure.error.as_str(), failure.cause.as_str()), ("Pomona.NoImages", "no images at `s3://in`"));
    assert!(failure.advice.unwrap().remedy.contains("extensions"));
}

#[tokio::test]
async fn an_execution_that_succeeded_has_its_report() {
    let output = r#"{"images": 300, "rejects": 2, "classes": 3, "variance_explained": 0.9, "run": "runs/x"}"#;
    let aws = deployed()
        .answer("DescribeExecution", execution("SUCCEEDED", json!({"stopDate": NOON + 60.0, "output": output})))
        .answer("GetExecutionHistory", history(&["Plan", "Reduce", "Project", "Report"]))
        .answer("ListMapRuns", map_runs(&[]));
    let status = status(aws).await;
    assert_eq!((status.state, &status.report.unwrap()["images"]), (State::Succeeded, &json!(300)));
}

#[tokio::test]
async fn an_execution_that_does_not_exist_is_named() {
    let aws = deployed().refuse("DescribeExecution", "ExecutionDoesNotExist");
    let error = stack(&aws).await.status(EXECUTION).await.unwrap_err();
    assert!(matches!(error, Error::NoExecution { .. }) && error.to_string().contains(EXECUTION), "{error}");
}

#[tokio::test]
async fn credentials_that_aws_does_not_accept_are_to_be_renewed() {
    let account = Aws::default().refuse("ListStateMachines", "ExpiredTokenException").account();
    let error = Stack::find(&account, "pomona").await.unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }) && error.to_string().contains("sign in again"), "{error}");
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let error = Stack::find(&Aws::default().account(), "pomona").await.unwrap_err();
    assert!(
        matches!(error, Error::Refused { .. }) && error.to_string().contains("no right to ListStateMachines"),
        "{error}"
    );
}
