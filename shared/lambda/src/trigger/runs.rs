//! The state machine's runs, as far as the trigger wants to know of them and to start one.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::primitives;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use chrono::{DateTime, Utc};
use pomona_run::executions;
use serde_json::Value;

use crate::error::Error;

/// Executions that are listed at once: mostly the first is the wanted one.
const PAGE: i32 = 4;

/// What is known of a state machine's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Whether any execution has not ended, an erasure among them.
    pub is_any_going: bool,
    /// When the newest run started, however it was started and however it ended.
    pub newest_start: Option<DateTime<Utc>>,
}

/// Whether an execution of this name makes a run over the input.
pub fn is_run(execution: &str) -> bool {
    !execution.starts_with(executions::OF_ERASURES)
}

/// The runs of a state machine.
#[async_trait]
pub trait Runs: Send + Sync {
    /// What is known of them; it may be a little behind.
    async fn recent(&self) -> Result<Recent, Error>;

    /// When the run started, or went on, that has been going for longest; it may be a little behind.
    async fn oldest_going(&self) -> Result<Option<DateTime<Utc>>, Error>;

    /// The error that an execution ended with.
    async fn error_of(&self, execution: &str) -> Result<Option<String>, Error>;

    /// Starts a run with this input, unless one was started under this name with another input, or has ended: whether
    /// it did.
    async fn start(&self, name: &str, input: &Value) -> Result<bool, Error>;
}

/// A state machine of Step Functions.
#[derive(Debug)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// The state machine with this ARN.
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }

    /// The newest execution that is wanted, of those with this status or of all.
    async fn newest(
        &self,
        status: Option<ExecutionStatus>,
        is_wanted: impl Fn(&ExecutionListItem) -> bool,
    ) -> Result<Option<ExecutionListItem>, Error> {
        let list = self.client.list_executions().state_machine_arn(&self.arn).set_status_filter(status);
        let mut listed = list.into_paginator().page_size(PAGE).items().send();
        while let Some(execution) = listed.next().await {
            let execution = execution.map_err(|error| Error::call("states:ListExecutions", error))?;
            if is_wanted(&execution) {
                return Ok(Some(execution));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Runs for StateMachine {
    async fn recent(&self) -> Result<Recent, Error> {
        let going = self.newest(Some(ExecutionStatus::Running), |_| true).await?;
        let newest = self.newest(None, |execution| is_run(execution.name())).await?;
        Ok(Recent { is_any_going: going.is_some(), newest_start: newest.as_ref().and_then(start_of) })
    }

    async fn oldest_going(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let list = self.client.list_executions().state_machine_arn(&self.arn).status_filter(ExecutionStatus::Running);
        let going: Result<Vec<_>, _> = list.into_paginator().items().send().try_collect().await;
        let going = going.map_err(|error| Error::call("states:ListExecutions", error))?;
        Ok(going.iter().filter_map(going_since).min())
    }

    async fn error_of(&self, execution: &str) -> Result<Option<String>, Error> {
        let described = self.client.describe_execution().execution_arn(execution).send().await;
        Ok(described.map_err(|error| Error::call("states:DescribeExecution", error))?.error)
    }

    async fn start(&self, name: &str, input: &Value) -> Result<bool, Error> {
        let start = self.client.start_execution().state_machine_arn(&self.arn).name(name).input(input.to_string());
        match start.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_already_exists()) => {
                Ok(false)
            }
            Err(error) => Err(Error::call("states:StartExecution", error)),
        }
    }
}

fn start_of(run: &ExecutionListItem) -> Option<DateTime<Utc>> {
    time(&run.start_date)
}

/// One that failed days ago and was redriven has only just begun again.
fn going_since(run: &ExecutionListItem) -> Option<DateTime<Utc>> {
    run.redrive_date.as_ref().map_or_else(|| start_of(run), time)
}

fn time(moment: &primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(moment.secs(), moment.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_redriven_has_been_going_since_then() {
        let run = |started: i64, redriven: Option<i64>| {
            ExecutionListItem::builder()
                .execution_arn("arn")
                .state_machine_arn("arn")
                .name("monday")
                .status(ExecutionStatus::Running)
                .start_date(primitives::DateTime::from_secs(started))
                .set_redrive_date(redriven.map(primitives::DateTime::from_secs))
                .build()
                .unwrap()
        };
        let since = |run| going_since(&run).unwrap().timestamp();
        assert_eq!((since(run(5, None)), since(run(5, Some(700)))), (5, 700));
        assert_eq!(start_of(&run(5, Some(700))).unwrap().timestamp(), 5);
    }
}
