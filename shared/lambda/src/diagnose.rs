//! The task `diagnose` of the Lambda `plan`: what `pomona doctor` asks.

use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_sfn::error::SdkError;
use pomona_run::diagnosis::{Diagnosis, Reach};
use pomona_store::{Error as StoreError, Store, sdk_config};
use serde::Deserialize;
use tokio::time::timeout;

use crate::BucketLocation;
use crate::error::Obstacle;
use crate::probe::{BYTES, obstacle};
use crate::stores::Stores;

/// Where nobody answers, as in a VPC without an endpoint, a call would wait for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is written to the output and deleted again: there plan may do both, and what is left behind expires.
const TRIAL: &str = "nodes/doctor/trial";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiagnoseRequest {
    /// An execution of the state machine, which there need not be.
    execution: String,
}

/// Tries what a run will need of the stack's own places.
pub(crate) async fn diagnose(
    stores: &Stores,
    input: Option<&BucketLocation>,
    output: Option<&BucketLocation>,
    request: &DiagnoseRequest,
) -> Diagnosis {
    let input = patiently(async { Some(first_image(stores, input?).await) });
    let output = patiently(async { Some(open_and_try(stores, output?).await) });
    let states = patiently(async { Some(step_functions(&request.execution).await) });
    let (input, output, states) = futures::join!(input, output, states);
    Diagnosis {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        input,
        output,
        states,
    }
}

/// What came of it in time; there is nothing where there was nothing to try.
async fn patiently(trial: impl Future<Output = Option<Reach>>) -> Reach {
    timeout(PATIENCE, trial).await.map_or(Reach::Unreachable, |reach| reach.unwrap_or(Reach::Empty))
}

/// Lists a page of the input, and reads a little of the first object on it.
async fn first_image(stores: &Stores, input: &BucketLocation) -> Reach {
    let client = aws_sdk_s3::Client::new(&sdk_config().await);
    let page = match client.list_objects_v2().bucket(input.bucket()).prefix(input.key("")).send().await {
        Ok(page) => page,
        Err(SdkError::ServiceError(refusal)) if refusal.raw().status().is_client_error() => return Reach::Denied,
        Err(_) => return Reach::Unreachable,
    };
    let keys = page.contents().iter().filter_map(|object| object.key());
    let Some(key) = keys.filter_map(|key| key.strip_prefix(&input.key(""))).find(|key| !key.ends_with('/')) else {
        return Reach::Empty;
    };
    let Ok(store) = stores.open(input).await else { return Reach::Unreachable };
    match store.get_start(key, BYTES).await {
        Err(error) => stopped_by(&error).unwrap_or(Reach::Reached),
        Ok(_) => Reach::Reached,
    }
}

async fn open_and_try(stores: &Stores, output: &BucketLocation) -> Reach {
    match stores.open(output).await {
        Ok(output) => try_output(output.as_ref()).await,
        Err(_) => Reach::Unreachable,
    }
}

/// Lists, writes, reads and deletes.
async fn try_output(output: &dyn Store) -> Reach {
    match write_read_and_delete(output).await {
        Ok(()) => Reach::Reached,
        // Of a bucket that is not there it is the name that is wrong.
        Err(error) => stopped_by(&error).unwrap_or(Reach::Denied),
    }
}

async fn write_read_and_delete(output: &dyn Store) -> Result<(), StoreError> {
    output.list("nodes/doctor/", &|_| true).await?;
    output.put(TRIAL, "doctor".into()).await?;
    let read = output.get(TRIAL).await;
    output.delete(TRIAL).await?;
    read.map(drop)
}

/// What a failed request says of how far one gets; nothing where it is about the object alone.
fn stopped_by(error: &StoreError) -> Option<Reach> {
    match obstacle(error) {
        Some(Obstacle::NoKey) => Some(Reach::NeedsKey),
        Some(Obstacle::NoRight) => Some(Reach::Denied),
        Some(Obstacle::Archive) => Some(Reach::Archived),
        None => (!error.is_about_object()).then_some(Reach::Unreachable),
    }
}

/// Whatever Step Functions says of the execution, it was reached.
async fn step_functions(execution: &str) -> Reach {
    let client = aws_sdk_sfn::Client::new(&sdk_config().await);
    match client.describe_execution().execution_arn(execution).send().await {
        Ok(_) | Err(SdkError::ServiceError(_)) => Reach::Reached,
        Err(error) => {
            tracing::warn!(error = %DisplayErrorContext(error), "Step Functions does not answer");
            Reach::Unreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};

    fn empty() -> MemoryStore {
        MemoryStore::new("s3://out", BTreeMap::new())
    }

    /// What is found where one of the operations fails, and whether nothing is left behind.
    async fn tried(operation: Operation, fault: Fault) -> (Reach, bool) {
        let inner = Arc::new(empty());
        let output = FailingStore::new(inner.clone());
        output.on(operation, |_| true, .., fault);
        (try_output(&output).await, inner.objects().is_empty())
    }

    #[tokio::test]
    async fn an_output_is_tried_with_all_that_a_run_needs_and_nothing_is_left_behind() {
        let output = empty();
        assert_eq!(try_output(&output).await, Reach::Reached);
        assert!(output.objects().is_empty());
        for operation in [Operation::List, Operation::Put, Operation::Get] {
            assert_eq!(tried(operation, Fault::denied()).await, (Reach::Denied, true), "{operation:?}");
        }
        assert_eq!(tried(Operation::Delete, Fault::denied()).await, (Reach::Denied, false));
        assert_eq!(tried(Operation::Put, Fault::transient()).await, (Reach::Unreachable, true));
    }

    #[tokio::test]
    async fn an_output_whose_key_may_not_be_used_says_so() {
        let refused = Fault::Fail(|location, key| StoreError::Denied {
            location: location.into(),
            key: key.into(),
            reason: "not authorized to perform: kms:GenerateDataKey".into(),
        });
        assert_eq!(tried(Operation::Put, refused).await, (Reach::NeedsKey, true));
    }

    #[test]
    fn an_archived_image_is_not_taken_for_one_without_a_right() {
        let archived = StoreError::Archived { location: "s3://b".into(), key: "a.jpg".into() };
        assert_eq!(stopped_by(&archived), Some(Reach::Archived));
        let gone = StoreError::NotFound { location: "s3://b".into(), key: "a.jpg".into() };
        assert_eq!(stopped_by(&gone), None);
    }
}
