//! Whether reading the images calls KMS for each of them: where their bucket has a KMS key and no bucket key.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ServerSideEncryption, ServerSideEncryptionRule};
use pomona_cost::prices::PriceTable;
use pomona_run::BucketLocation;

use crate::account::Account;
use crate::error::Error;
use crate::finding::Finding;
use crate::lambda::FunctionSettings;

/// What S3 says of a bucket that nobody ever said anything about.
const NOT_CONFIGURED: &str = "ServerSideEncryptionConfigurationNotFoundError";

/// Looks at the bucket of the stack's own input.
pub(crate) async fn encryption(account: &Account, stack: &str, plan: &Result<FunctionSettings, Error>) -> Finding {
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Finding::unknown("encryption", error),
    };
    match look(account, stack, plan).await {
        Ok((bucket, true)) => poor(&bucket, account.region()),
        Ok((bucket, false)) => {
            Finding::good("encryption", format!("reading the images in {bucket} does not call KMS for each"))
        }
        Err(error) => Finding::unknown("encryption", &error),
    }
}

/// The bucket, and whether each of its images takes a call of KMS.
async fn look(account: &Account, stack: &str, plan: &FunctionSettings) -> Result<(String, bool), Error> {
    let input = plan.environment.variables.get("POMONA_INPUT").and_then(|input| input.parse::<BucketLocation>().ok());
    let bucket = input.ok_or_else(|| Error::NoInput { stack: stack.to_owned() })?.bucket().to_owned();
    let request = aws_sdk_s3::Client::new(account.config()).get_bucket_encryption().bucket(&bucket);
    match request.send().await {
        Ok(found) => {
            let rules = found.server_side_encryption_configuration().map(|found| found.rules()).unwrap_or_default();
            Ok((bucket, rules.iter().any(calls_kms_for_each)))
        }
        Err(error) if error.code() == Some(NOT_CONFIGURED) => Ok((bucket, false)),
        Err(error) => Err(Error::of("look at the input bucket's encryption", error)),
    }
}

/// Double encryption knows no bucket keys.
fn calls_kms_for_each(rule: &ServerSideEncryptionRule) -> bool {
    match rule.apply_server_side_encryption_by_default().map(|default| default.sse_algorithm()) {
        Some(ServerSideEncryption::AwsKms) => rule.bucket_key_enabled() != Some(true),
        Some(ServerSideEncryption::AwsKmsDsse) => true,
        _ => false,
    }
}

fn poor(bucket: &str, region: &str) -> Finding {
    let table = PriceTable::read();
    let price = table.as_ref().ok().and_then(|table| table.of(region).ok()).map(|prices| prices.kms_ten_thousand_calls);
    let price = price.map_or_else(String::new, |price| format!(", {:.2} USD for a million", 100.0 * price));
    Finding::poor(
        "encryption",
        format!("{bucket} has a KMS key and no bucket key: each image that is read is a call of KMS{price}"),
        "switch the bucket key on (BucketKeyEnabled of the bucket's encryption) and copy the images onto themselves, \
         for it is used for what is written from then on; `pomona cost --no-bucket-key` says what it costs without"
            .to_owned(),
    )
}
