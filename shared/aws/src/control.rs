//! Stopping an execution, and letting one that failed go on.

use std::time::Duration;

use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::HistoryEventType;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::error::Error;
use crate::not_redrivable::NotRedrivable;
use crate::stack::Stack;
use crate::state::State;
use crate::status::{Status, time};

/// So long after its end Step Functions lets an execution go on (Step Functions guide, "Redriving executions").
const REDRIVABLE: TimeDelta = TimeDelta::days(14);

/// How often it is asked whether an execution that was stopped has ended, and the pause before each: what is known of
/// executions is a little behind (API reference, DescribeExecution).
const LOOKS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// What the execution's cause says when it was stopped.
const CAUSE: &str = "stopped with `pomona stop`";

/// An execution that goes on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Redriven {
    /// How it had ended.
    pub before: Status,
    /// When it was told to go on.
    pub redriven: DateTime<Utc>,
}

/// An execution that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Its ARN.
    pub execution: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it was stopped.
    pub stopped: DateTime<Utc>,
}

impl Stack {
    /// Lets the execution with this ARN, which has failed, was stopped or took too long, go on in the state where it
    /// ended, unless another one is going: behind its plan it does not take the output's lock again.
    ///
    /// # Errors
    /// [`Error::NotRedrivable`], and those of [`Stack::status`].
    pub async fn redrive(&self, execution: &str) -> Result<Redriven, Error> {
        let before = self.status(execution).await?;
        let refuse = |reason| Err(Error::NotRedrivable { execution: execution.to_owned(), reason });
        if let Some(reason) = self.obstacle(&before).await? {
            return refuse(reason);
        }
        let redriven = match self.client.redrive_execution().execution_arn(execution).send().await {
            Err(error) if error.code() == Some("ExecutionNotRedrivable") => {
                let reason = error.message().unwrap_or("no reason").to_owned();
                return refuse(NotRedrivable::Refused { reason });
            }
            answer => answer.map_err(|error| self.failed("redrive the execution", execution, error))?,
        };
        Ok(Redriven { before, redriven: time(redriven.redrive_date()) })
    }

    async fn obstacle(&self, status: &Status) -> Result<Option<NotRedrivable>, Error> {
        Ok(match (status.state, status.ended) {
            (State::Running, _) => Some(NotRedrivable::Running),
            (State::Succeeded, _) => Some(NotRedrivable::Succeeded),
            (_, Some(ended)) if ended + REDRIVABLE < Utc::now() => Some(NotRedrivable::TooOld),
            _ => match self.fail_state(&status.execution).await? {
                Some(state) => Some(NotRedrivable::GaveUp { state }),
                None => self.any_going().await?.map(|other| NotRedrivable::Beside { other }),
            },
        })
    }

    /// The Fail state that an execution has ended in: it is entered just before the end.
    async fn fail_state(&self, execution: &str) -> Result<Option<String>, Error> {
        let request = self.client.get_execution_history().execution_arn(execution);
        let request = request.reverse_order(true).max_results(2).include_execution_data(false);
        let history =
            request.send().await.map_err(|error| self.failed("read the execution's history", execution, error))?;
        let entered = history.events().iter().find(|event| *event.r#type() == HistoryEventType::FailStateEntered);
        Ok(entered.and_then(|event| event.state_entered_event_details()).map(|details| details.name().to_owned()))
    }

    /// Stops the execution with this ARN, and waits until it is known to have ended: as long as it is not, the next run
    /// finds the output in use. Lambdas that are at work finish what they do.
    ///
    /// # Errors
    /// [`Error::HasEnded`], [`Error::NoExecution`], and those of every request.
    pub async fn stop(&self, execution: &str) -> Result<Stopped, Error> {
        let found = self.describe(execution).await?;
        let state = State::from(found.status());
        if state != State::Running {
            return Err(Error::HasEnded { execution: execution.to_owned(), state });
        }
        let request = self.client.stop_execution().execution_arn(execution).cause(CAUSE);
        let stopped = request.send().await.map_err(|error| self.failed("stop the execution", execution, error))?;
        self.wait_for_end(execution).await?;
        Ok(Stopped {
            started: time(found.start_date()),
            stopped: time(stopped.stop_date()),
            execution: found.execution_arn,
        })
    }

    /// It will have been stopped, also where that is not known in time.
    async fn wait_for_end(&self, execution: &str) -> Result<(), Error> {
        for _ in 0..LOOKS {
            if State::from(self.describe(execution).await?.status()) != State::Running {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
