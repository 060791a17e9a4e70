//! Executions of the state machine as holders of an output's lock.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::DisplayErrorContext;
use aws_sdk_sfn::types::ExecutionStatus;
use pomona_stages::lock::{Holders, Lock};
use pomona_store::sdk_config;

/// Asks Step Functions whether the execution that holds a lock has ended.
#[derive(Clone, Copy, Debug)]
pub struct Executions;

#[async_trait]
impl Holders for Executions {
    async fn is_gone(&self, lock: &Lock) -> bool {
        // Of a process on some machine nothing is known.
        if !lock.holder.starts_with("arn:") {
            return false;
        }
        let client = Client::new(&sdk_config().await);
        match client.describe_execution().execution_arn(&lock.holder).send().await {
            Ok(execution) => has_ended(execution.status()),
            Err(error) => {
                // Step Functions forgets an execution 90 days after its end.
                let is_forgotten = error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist());
                if !is_forgotten {
                    tracing::warn!(error = %DisplayErrorContext(error), "could not ask whether the lock's holder has ended");
                }
                is_forgotten
            }
        }
    }
}

fn has_ended(status: &ExecutionStatus) -> bool {
    use ExecutionStatus::{Aborted, Failed, Succeeded, TimedOut};
    matches!(status, Aborted | Failed | Succeeded | TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use pomona_run::RunId;

    #[test]
    fn only_an_execution_that_does_no_more_has_ended() {
        for status in ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"] {
            assert!(has_ended(&status.into()), "{status}");
        }
        for status in ["RUNNING", "PENDING_REDRIVE", "SOMETHING_NEW"] {
            assert!(!has_ended(&status.into()), "{status}");
        }
    }

    #[tokio::test]
    async fn of_a_holder_that_is_no_execution_nothing_is_known() {
        let now = Utc::now();
        let lock = Lock { run_id: RunId::now(), holder: "process 7".into(), since: now, until: now };
        assert!(!Executions.is_gone(&lock).await);
    }
}
