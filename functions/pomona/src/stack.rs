//! Which stack and which of its executions a command is about.

use clap::Args;
use pomona_aws::{Account, DEFAULT_STACK, Stack};

use crate::Error;

/// Which stack a command is about.
#[derive(Debug, Args)]
pub(crate) struct StackArgs {
    /// The name that the stack was deployed under
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK, env = "POMONA_STACK")]
    pub(crate) stack: String,
}

impl StackArgs {
    /// Finds the stack in the account and region that the environment gives.
    pub(crate) async fn find(&self) -> Result<Stack, Error> {
        Ok(Stack::find(&Account::open().await?, &self.stack).await?)
    }
}

/// Which execution of a stack a command is about.
#[derive(Debug, Args)]
pub(crate) struct ExecutionArgs {
    /// The name or ARN of an execution [default: the newest one]
    execution: Option<String>,
    #[command(flatten)]
    stack: StackArgs,
}

impl ExecutionArgs {
    /// Finds the stack, and the execution's ARN.
    pub(crate) async fn find(&self) -> Result<(Stack, String), Error> {
        let stack = self.stack.find().await?;
        let execution = stack.execution(self.execution.as_deref()).await?;
        Ok((stack, execution))
    }
}

/// Which execution a command changes: one that is named, because the newest one may be another by now.
#[derive(Debug, Args)]
pub(crate) struct NamedExecutionArgs {
    /// The name or ARN of an execution
    #[arg(value_name = "RUN")]
    execution: String,
    #[command(flatten)]
    stack: StackArgs,
}

impl NamedExecutionArgs {
    /// Finds the stack, and the execution's ARN.
    pub(crate) async fn find(&self) -> Result<(Stack, String), Error> {
        let stack = self.stack.find().await?;
        let execution = stack.execution(Some(&self.execution)).await?;
        Ok((stack, execution))
    }
}

/// What a command must be given to find the execution again.
pub(crate) fn arguments(stack: &Stack, execution: &str) -> String {
    let name = execution.rsplit(':').next().unwrap_or(execution);
    match stack.name() {
        DEFAULT_STACK => name.to_owned(),
        other => format!("{name} --stack {other}"),
    }
}
