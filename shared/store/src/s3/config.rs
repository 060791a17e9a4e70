//! How the SDK is set up.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::interceptors::{BeforeTransmitInterceptorContextRef, InterceptorContext};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime::client::retries::TokenBucket;

use super::error::{DAMAGED_ON_THE_WAY, broke_off};

/// Tries of one request, the first one included: with more of them the time would be over first, and the error would not
/// say what S3 answered. The pauses between them take up to 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 ... s, 28 s in all on average.
/// Where S3 refuses a share of the requests, the first pauses are most of what a run pays for that; where it refuses all of
/// them for a while, the longest are.
const ATTEMPTS: u32 = 16;
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a connection, an answer's beginning, and a request with all its tries may take. An answer to an object of 16
/// MiB begins once it was sent, also over a slow line.
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(30);
pub(super) const OPERATION: Duration = Duration::from_secs(60);

/// Region, credentials and endpoint from the environment, the profile or the machine.
pub async fn sdk_config() -> SdkConfig {
    // ring instead of the SDK's default, aws-lc: far less C to compile.
    let tls = Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

pub(super) fn for_s3(config: &SdkConfig, host: &Host) -> aws_sdk_s3::Config {
    // The SDK itself gives up on bodies that stop flowing.
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(READ).operation_timeout(OPERATION).build();
    // A quota for retries that all requests share would let few troubles among many requests stop all of them.
    let retries = RetryPartition::custom("pomona").token_bucket(TokenBucket::unlimited()).build();
    let retry_config = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    aws_sdk_s3::config::Builder::from(config)
        .retry_config(retry_config)
        .retry_partition(retries)
        .retry_classifier(RetryMore)
        .timeout_config(timeouts)
        .interceptor(host.clone())
        .build()
}

/// Which host requests go to, once one went: the endpoint may come from many places.
#[derive(Debug, Clone, Default)]
pub(super) struct Host(Arc<OnceLock<String>>);

impl Host {
    pub(super) fn name(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Intercept for Host {
    fn name(&self) -> &'static str {
        "Host"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = context.request().uri();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or(url);
        self.0.get_or_init(|| host.to_owned());
        Ok(())
    }
}

/// What the SDK would not try again: S3 answers 409 where two writes of one object meet, and asks to try again (S3
/// guide, conditional writes); 400 where a body was damaged on its way; and a connection may be closed in good order
/// before there is an answer.
#[derive(Debug)]
struct RetryMore;

impl ClassifyRetry for RetryMore {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let has_conflict = context.response().is_some_and(|response| response.status().as_u16() == 409);
        let error = context.output_or_error().and_then(|answer| answer.err());
        let is_closed = error.and_then(|error| error.as_connector_error()).is_some_and(broke_off);
        if has_conflict || is_closed || was_damaged_on_the_way(context) {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "RetryMore"
    }
}

fn was_damaged_on_the_way(context: &InterceptorContext) -> bool {
    let refusal = context.response().filter(|response| response.status().as_u16() == 400);
    let text = refusal.and_then(|response| std::str::from_utf8(response.body().bytes()?).ok());
    text.is_some_and(|text| DAMAGED_ON_THE_WAY.iter().any(|code| text.contains(&format!("<Code>{code}</Code>"))))
}
