//! The task `diagnose` of the Lambda `plan`: what `pomona doctor` asks.

use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_sfn::error::SdkError;
use pomona_run::diagnosis::{Diagnosis, Reach};
use pomona_store::{Error as StoreError, sdk_config};
use serde::Deserialize;
use tokio::time::timeout;

use crate::BucketLocation;
use crate::probe::{BYTES, is_about_key};
use crate::stores::Stores;

/// Where nobody answers, as in a VPC without an endpoint, a call would wait for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiagnoseRequest {
    /// An execution of the state machine, which there need not be.
    execution: String,
}

/// Tries what a run will need.
pub(crate) async fn diagnose(stores: &Stores, input: Option<&BucketLocation>, request: &DiagnoseRequest) -> Diagnosis {
    let image = async {
        match input {
            Some(input) => timeout(PATIENCE, first_image(stores, input)).await.unwrap_or(Reach::Unreachable),
            None => Reach::Empty,
        }
    };
    let states = async { timeout(PATIENCE, step_functions(&request.execution)).await.unwrap_or(Reach::Unreachable) };
    let (input, states) = futures::join!(image, states);
    Diagnosis {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        input,
        states,
    }
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
        Err(error @ StoreError::Denied { .. }) if is_about_key(&error) => Reach::NeedsKey,
        Err(StoreError::Denied { .. }) => Reach::Denied,
        Err(error) if error.is_retryable() => Reach::Unreachable,
        _ => Reach::Reached,
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
