//! How the SDK is set up.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Tries of one request, the first one included; with adaptive back-off up to 20 s each.
const ATTEMPTS: u32 = 8;

/// Region, credentials and endpoint from the environment, the profile or the machine.
pub async fn sdk_config() -> SdkConfig {
    // ring instead of the SDK's default, aws-lc: far less C to compile.
    let tls = Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

pub(super) fn for_s3(config: &SdkConfig) -> aws_sdk_s3::Config {
    // The read timeout ends when the answer begins; the SDK itself gives up on bodies that stop flowing.
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60)).build();
    aws_sdk_s3::config::Builder::from(config)
        .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
        .retry_classifier(RetryConflicts)
        .timeout_config(timeouts)
        .build()
}

/// S3 answers 409 where two writes of one object meet, and asks to try again (S3 guide, conditional writes).
#[derive(Debug)]
struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().map(|response| response.status().as_u16()) {
            Some(409) => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "RetryConflicts"
    }
}
