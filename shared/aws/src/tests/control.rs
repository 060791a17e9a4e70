//! Stopping executions, and letting them go on.

use chrono::{TimeDelta, Utc};
use pomona_run::stage::Stage;
use serde_json::{Value, json};

use super::executions::{EXECUTION, deployed, execution, executions, history, map_runs, stack};
use super::server::Aws;
use crate::{Error, NotRedrivable, Redriven, State};

fn now() -> f64 {
    Utc::now().timestamp() as f64
}

/// An AWS with an execution that ended so long ago, entered these states, and may be redriven.
fn ended(status: &str, ago: TimeDelta, history: Value) -> Aws {
    let ended = json!({"stopDate": now() - ago.num_seconds() as f64, "error": "States.Timeout", "cause": "so it was"});
    deployed()
        .answer("DescribeExecution", execution(status, ended))
        .answer("ListMapRuns", map_runs(&[]))
        .answer("GetExecutionHistory", history)
        .answer("ListExecutions", executions(&[]))
        .answer("RedriveExecution", json!({"redriveDate": now()}))
}

/// What GetExecutionHistory answers, newest first, of an execution that ended in a Fail state.
fn gave_up() -> Value {
    json!({"events": [
        {"id": 9, "timestamp": now(), "type": "ExecutionFailed"},
        {"id": 8, "timestamp": now(), "type": "FailStateEntered", "stateEnteredEventDetails": {"name": "DamageRecurs"}},
    ]})
}

async fn redrive(aws: &Aws) -> Result<Redriven, Error> {
    stack(aws).await.redrive(EXECUTION).await
}

#[tokio::test]
async fn what_failed_took_too_long_or_was_stopped_goes_on_where_it_ended() {
    for (status, state) in [("FAILED", State::Failed), ("TIMED_OUT", State::TimedOut), ("ABORTED", State::Aborted)] {
        let aws = ended(status, TimeDelta::days(13), history(&["Plan", "Extract", "CheckParts", "Reduce"]));
        let redriven = redrive(&aws).await.unwrap();
        assert_eq!((redriven.before.state, redriven.before.stage), (state, Some(Stage::Reduce)));
        assert!(Utc::now() - redriven.redriven < TimeDelta::minutes(5));
        assert_eq!(aws.asked("RedriveExecution")[0].body["executionArn"], EXECUTION);
        // Of the events of earlier tries none says how the last one ended.
        assert_eq!(aws.asked("GetExecutionHistory").last().unwrap().body["maxResults"], 2);
    }
}

#[tokio::test]
async fn what_cannot_go_on_is_refused_before_anything_is_asked_for() {
    let failed_at = || history(&["Plan", "Reduce"]);
    let gave_up_in = NotRedrivable::GaveUp { state: "DamageRecurs".to_owned() };
    for (aws, expected, advice) in [
        (ended("SUCCEEDED", TimeDelta::days(1), failed_at()), NotRedrivable::Succeeded, "pomona start"),
        (ended("FAILED", TimeDelta::days(15), failed_at()), NotRedrivable::TooOld, "pomona start"),
        (ended("FAILED", TimeDelta::days(1), gave_up()), gave_up_in, "`DamageRecurs`"),
        (
            deployed()
                .answer("DescribeExecution", execution("RUNNING", json!({})))
                .answer("ListMapRuns", map_runs(&[]))
                .answer("GetExecutionHistory", failed_at()),
            NotRedrivable::Running,
            "pomona watch",
        ),
    ] {
        let error = redrive(&aws).await.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(EXECUTION) && message.contains(advice), "{message}");
        assert!(matches!(error, Error::NotRedrivable { reason, .. } if reason == expected), "{message}");
        assert!(aws.asked("RedriveExecution").is_empty());
    }
}

/// Behind its plan a run does not take the output's lock again.
#[tokio::test]
async fn nothing_goes_on_beside_a_run_that_is_going() {
    let failed = json!({"stopDate": now(), "error": "States.Timeout"});
    let aws = deployed()
        .answer("DescribeExecution", execution("FAILED", failed))
        .answer("ListMapRuns", map_runs(&[]))
        .answer("GetExecutionHistory", history(&["Plan", "Reduce"]))
        .answer("ListExecutions", executions(&["tuesday"]))
        .answer("RedriveExecution", json!({"redriveDate": now()}));
    let error = redrive(&aws).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("pomona watch tuesday") && message.contains("pomona stop tuesday"), "{message}");
    let expected = NotRedrivable::Beside { other: "tuesday".to_owned() };
    assert!(matches!(error, Error::NotRedrivable { reason, .. } if reason == expected), "{message}");
    assert_eq!(aws.asked("ListExecutions")[0].body["statusFilter"], "RUNNING");
    assert!(aws.asked("RedriveExecution").is_empty());
}

#[tokio::test]
async fn a_reason_of_aws_is_told() {
    let failed = json!({"stopDate": now(), "error": "States.Timeout"});
    let aws = deployed()
        .answer("DescribeExecution", execution("FAILED", failed))
        .answer("ListMapRuns", map_runs(&[]))
        .answer("GetExecutionHistory", history(&["Reduce"]))
        .answer("ListExecutions", executions(&[]))
        .refuse("RedriveExecution", "ExecutionNotRedrivable");
    let error = redrive(&aws).await.unwrap_err();
    assert!(matches!(&error, Error::NotRedrivable { reason: NotRedrivable::Refused { .. }, .. }), "{error}");
    assert!(error.to_string().contains("so it is"), "{error}");
}

#[tokio::test]
async fn a_running_execution_is_stopped_and_has_ended_then_and_its_cause_says_how() {
    let aws = deployed()
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer("DescribeExecution", execution("RUNNING", json!({})))
        .answer("DescribeExecution", execution("ABORTED", json!({"stopDate": now()})))
        .answer("StopExecution", json!({"stopDate": now()}));
    let stopped = stack(&aws).await.stop(EXECUTION).await.unwrap();
    assert!(stopped.execution == EXECUTION && stopped.started < stopped.stopped);
    let asked = &aws.asked("StopExecution")[0].body;
    assert_eq!((&asked["executionArn"], &asked["cause"]), (&json!(EXECUTION), &json!("stopped with `pomona stop`")));
    assert_eq!(aws.asked("DescribeExecution").len(), 3, "until it is known to have ended");
}

#[tokio::test]
async fn what_has_ended_is_not_stopped() {
    for (status, said) in [("SUCCEEDED", "succeeded"), ("FAILED", "failed"), ("ABORTED", "stopped by somebody")] {
        let aws = deployed().answer("DescribeExecution", execution(status, json!({"stopDate": now()})));
        let error = stack(&aws).await.stop(EXECUTION).await.unwrap_err();
        assert!(matches!(error, Error::HasEnded { .. }) && error.to_string().contains(said), "{error}");
        assert!(aws.asked("StopExecution").is_empty());
    }
}

#[tokio::test]
async fn an_execution_that_does_not_exist_is_named_whatever_was_to_become_of_it() {
    let aws = deployed().refuse("DescribeExecution", "ExecutionDoesNotExist");
    let stack = stack(&aws).await;
    for error in [stack.stop(EXECUTION).await.unwrap_err(), stack.redrive(EXECUTION).await.unwrap_err()] {
        assert!(matches!(error, Error::NoExecution { .. }) && error.to_string().contains(EXECUTION), "{error}");
    }
}
