//! A deployed stack and its executions.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use pomona_run::{BucketLocation, RunId, executions};

use crate::account::Account;
use crate::error::Error;
use crate::request::RunRequest;

/// The stack's name where nobody gives another, as in infra/samconfig.toml.
pub const DEFAULT_STACK: &str = "pomona";

/// Tries of one request, the first one included: whoever watches a run for hours meets many a passing trouble.
const ATTEMPTS: u32 = 8;

/// A stack, known by its state machine, which has the stack's name.
#[derive(Clone, Debug)]
pub struct Stack {
    name: String,
    state_machine: String,
    pub(crate) client: Client,
}

impl Stack {
    /// The stack of that name in an account.
    ///
    /// # Errors
    /// [`Error::NoStack`], and those of every request.
    pub async fn find(account: &Account, name: &str) -> Result<Self, Error> {
        let config = aws_sdk_sfn::config::Builder::from(account.config())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        let client = Client::from_conf(config.build());
        let mut machines = client.list_state_machines().into_paginator().items().send();
        while let Some(machine) = machines.next().await {
            let machine = machine.map_err(|error| Error::of("look for the stack", error))?;
            if machine.name() == name {
                return Ok(Self { name: name.to_owned(), state_machine: machine.state_machine_arn, client });
            }
        }
        Err(Error::NoStack { stack: name.to_owned(), region: account.region().to_owned() })
    }

    /// The stack's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state machine's ARN.
    pub fn state_machine(&self) -> &str {
        &self.state_machine
    }

    /// Starts an execution, and returns its ARN.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn start(&self, request: &RunRequest) -> Result<String, Error> {
        self.start_execution("", serde_json::to_string(request)?).await
    }

    /// Starts an execution that erases what was asked for at `output`, and gives its ARN.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn start_erasure(&self, output: &BucketLocation) -> Result<String, Error> {
        let input = serde_json::json!({ "output": output, "erase": {} });
        self.start_execution(executions::OF_ERASURES, input.to_string()).await
    }

    async fn start_execution(&self, prefix: &str, input: String) -> Result<String, Error> {
        // With a name of its own, a request whose answer was lost starts nothing when it is repeated.
        let name = format!("{prefix}{}", RunId::now());
        let start = self.client.start_execution().state_machine_arn(&self.state_machine).name(name).input(input);
        let started = start.send().await.map_err(|error| Error::of("start an execution", error))?;
        Ok(started.execution_arn)
    }

    /// The ARN of the execution that is meant: the one with that name or ARN, or the newest.
    ///
    /// # Errors
    /// [`Error::NoExecutions`] where the newest of none is asked for, and those of every request.
    pub async fn execution(&self, named: Option<&str>) -> Result<String, Error> {
        match named {
            Some(arn) if arn.starts_with("arn:") => Ok(arn.to_owned()),
            Some(name) => Ok(self.execution_named(name)),
            None => self.newest_execution().await,
        }
    }

    /// The ARN of the execution of that name, whether or not there is one.
    pub(crate) fn execution_named(&self, name: &str) -> String {
        format!("{}:{name}", self.state_machine.replacen(":stateMachine:", ":execution:", 1))
    }

    async fn newest_execution(&self) -> Result<String, Error> {
        let newest = self.newest(None).await?;
        newest.map(|execution| execution.execution_arn).ok_or_else(|| Error::NoExecutions { stack: self.name.clone() })
    }

    /// The name of an execution that has not ended, if there is one.
    pub(crate) async fn any_going(&self) -> Result<Option<String>, Error> {
        Ok(self.newest(Some(ExecutionStatus::Running)).await?.map(|execution| execution.name))
    }

    /// The newest execution, of those with this status or of all.
    async fn newest(&self, status: Option<ExecutionStatus>) -> Result<Option<ExecutionListItem>, Error> {
        let list = self.client.list_executions().state_machine_arn(&self.state_machine).set_status_filter(status);
        // The list begins with the newest one; a page that a filter left empty need not be the last.
        let newest = list.into_paginator().page_size(1).items().send().next().await;
        newest.transpose().map_err(|error| Error::of("list the stack's executions", error))
    }

    /// What a failed question about an execution amounts to.
    pub(crate) fn failed<E>(&self, action: &'static str, execution: &str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.code() {
            Some("ExecutionDoesNotExist" | "InvalidArn") => {
                Error::NoExecution { stack: self.name.clone(), execution: execution.to_owned() }
            }
            _ => Error::of(action, error),
        }
    }
}
