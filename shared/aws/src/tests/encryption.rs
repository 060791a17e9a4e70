//! What the doctor says of the encryption of the images.

use serde_json::json;

use super::server::Aws;
use crate::encryption::encryption;
use crate::{Finding, Verdict, lambda};

/// The path by which S3 is asked about the bucket of [`with_rule`].
pub(super) const QUESTION: &str = "/images/?encryption";

/// What S3 answers about a bucket with this default, and with or without a bucket key.
pub(super) fn answer(algorithm: &str, bucket_key: bool) -> String {
    format!(
        "<ServerSideEncryptionConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>\
         <ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{bucket_key}</BucketKeyEnabled></Rule>\
         </ServerSideEncryptionConfiguration>"
    )
}

/// An AWS whose function plan reads images from the bucket `images`.
fn planned() -> Aws {
    let environment = json!({"Variables": {"POMONA_INPUT": "s3://images/fruits/"}});
    let plan = json!({"FunctionName": "pomona-plan", "MemorySize": 1769, "Architectures": ["arm64"], "Environment": environment});
    Aws::default().answer("/2015-03-31/functions/pomona-plan/configuration", plan)
}

async fn finding(aws: Aws) -> Finding {
    let account = aws.account();
    let plan = lambda::function(&account, "pomona-plan").await;
    encryption(&account, "pomona", &plan).await
}

#[tokio::test]
async fn a_kms_key_without_a_bucket_key_is_poor_and_has_a_price() {
    for algorithm in ["aws:kms", "aws:kms:dsse"] {
        let found = finding(planned().with(QUESTION, 200, answer(algorithm, false))).await;
        assert_eq!(found.verdict, Verdict::Poor, "{found:?}");
        assert!(found.found.contains("images") && found.found.contains("3.00 USD for a million"), "{found:?}");
        assert!(found.remedy.unwrap().contains("BucketKeyEnabled"));
    }
}

#[tokio::test]
async fn a_bucket_key_or_a_key_of_s3_is_good_and_double_encryption_has_no_bucket_key() {
    for (algorithm, bucket_key, verdict) in
        [("aws:kms", true, Verdict::Good), ("AES256", false, Verdict::Good), ("aws:kms:dsse", true, Verdict::Poor)]
    {
        let found = finding(planned().with(QUESTION, 200, answer(algorithm, bucket_key))).await;
        assert_eq!(found.verdict, verdict, "{algorithm}: {found:?}");
    }
    let nothing = "<Error><Code>ServerSideEncryptionConfigurationNotFoundError</Code><Message>none</Message></Error>";
    assert_eq!(finding(planned().with(QUESTION, 404, nothing.to_owned())).await.verdict, Verdict::Good);
}

#[tokio::test]
async fn what_may_not_be_known_is_unknown() {
    let denied = "<Error><Code>AccessDenied</Code><Message>no right</Message></Error>";
    let found = finding(planned().with(QUESTION, 403, denied.to_owned())).await;
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(found.found.contains("AccessDenied"), "{found:?}");
    let plan = json!({"FunctionName": "pomona-plan", "MemorySize": 1769, "Architectures": ["arm64"]});
    let aws = Aws::default().answer("/2015-03-31/functions/pomona-plan/configuration", plan);
    let found = finding(aws).await;
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(found.found.contains("POMONA_INPUT"), "{found:?}");
}
