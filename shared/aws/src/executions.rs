//! Executions of the state machine as holders of an output's lock.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{Builder, Region};
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
        let config = sdk_config().await;
        // Somebody's own region may be another one.
        let region = region_of(&lock.holder).or_else(|| config.region().cloned());
        let client = Client::from_conf(Builder::from(&config).region(region).build());
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

/// arn:aws:states:<region>:...
fn region_of(execution: &str) -> Option<Region> {
    execution.split(':').nth(3).filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned()))
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

    #[test]
    fn an_execution_is_asked_for_in_its_own_region() {
        let region = region_of("arn:aws:states:eu-central-1:123456789012:execution:pomona:monday");
        assert_eq!(region, Some(Region::new("eu-central-1")));
        assert_eq!(region_of("arn:"), None);
    }

    #[tokio::test]
    async fn of_a_holder_that_is_no_execution_nothing_is_known() {
        let now = Utc::now();
        let lock = Lock { run_id: RunId::now(), holder: "process 7".into(), since: now, until: now };
        assert!(!Executions.is_gone(&lock).await);
    }
}
