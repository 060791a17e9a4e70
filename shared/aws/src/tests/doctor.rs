//! What the doctor finds.

use serde_json::json;

use super::server::Aws;
use super::without_credentials;
use crate::{Account, Error, Finding, Verdict, diagnose};

const QUOTAS: &str = "/2016-08-19/account-settings";
const MACHINE: &str = "arn:aws:states:eu-west-3:123456789012:stateMachine:pomona";
const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn configuration(function: &str) -> String {
    format!("/2015-03-31/functions/pomona-{function}/configuration")
}

/// An AWS that knows the caller, and tells of the stack `pomona` no more than that it is there.
fn without_rights_on_lambda() -> Aws {
    let machine = json!({"name": "pomona", "stateMachineArn": MACHINE, "type": "STANDARD", "creationDate": 0});
    Aws::default()
        .with("GetCallerIdentity", 200, CALLER.to_owned())
        .answer("ListStateMachines", json!({"stateMachines": [machine]}))
}

/// An AWS that knows the caller and has the stack `pomona`, with so many Lambdas at once.
fn ready(concurrency: u64) -> Aws {
    let limit =
        json!({"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": concurrency, "TotalCodeSize": 1});
    without_rights_on_lambda()
        .answer(QUOTAS, json!({"AccountLimit": limit, "AccountUsage": {"FunctionCount": 5}}))
        .answer(&configuration("plan"), json!({"FunctionName": "pomona-plan", "MemorySize": 3000}))
        .answer(&configuration("list-batch"), json!({"FunctionName": "pomona-list-batch", "MemorySize": 1769}))
}

async fn findings(aws: &Aws) -> Vec<Finding> {
    diagnose(Ok(aws.account()), "pomona").await
}

fn verdicts(findings: &[Finding]) -> Vec<(&str, Verdict)> {
    findings.iter().map(|finding| (finding.subject, finding.verdict)).collect()
}

#[tokio::test]
async fn everything_is_looked_at() {
    let found = findings(&ready(1000)).await;
    let good = ["region", "credentials", "concurrency", "stack", "memory"].map(|subject| (subject, Verdict::Good));
    assert_eq!(verdicts(&found), good, "{found:#?}");
    for (finding, part) in
        found.iter().zip(["eu-west-3", "user/ada", "1000 of 1000", MACHINE, "list-batch has 1769 MB"])
    {
        assert!(finding.found.contains(part), "{finding:?}");
    }
}

#[tokio::test]
async fn few_lambdas_at_once_are_poor_and_can_be_lived_with() {
    let found = findings(&ready(10)).await;
    let concurrency = &found[2];
    assert_eq!((concurrency.subject, concurrency.verdict), ("concurrency", Verdict::Poor));
    let remedy = concurrency.remedy.as_deref().unwrap();
    assert!(remedy.contains("--max-concurrency 10") && remedy.contains("Service Quotas"), "{remedy}");
}

#[tokio::test]
async fn questions_to_lambda_are_signed_for_lambda() {
    let aws = ready(1000);
    findings(&aws).await;
    let asked = aws.asked(QUOTAS);
    let head = asked[0].head.to_lowercase();
    assert!(head.starts_with("get /") && head.contains("/eu-west-3/lambda/aws4_request"), "{head}");
}

#[tokio::test]
async fn what_the_caller_may_not_know_is_unknown_and_not_bad() {
    let found = findings(&without_rights_on_lambda()).await;
    assert_eq!(verdicts(&found)[2], ("concurrency", Verdict::Unknown));
    assert_eq!(verdicts(&found)[4], ("memory", Verdict::Unknown));
    assert!(found[2].found.contains("AccessDeniedException"), "{:?}", found[2]);
}

#[tokio::test]
async fn a_stack_that_is_missing_is_bad() {
    let aws = ready(1000);
    let found = diagnose(Ok(aws.account()), "another").await;
    assert_eq!(verdicts(&found)[3..], [("stack", Verdict::Bad)]);
}

#[tokio::test]
async fn without_credentials_nothing_else_is_asked() {
    let account = Account::with_config(without_credentials(), None);
    let found = diagnose(account, "pomona").await;
    assert_eq!(verdicts(&found), [("region", Verdict::Good), ("credentials", Verdict::Bad)]);
}

#[tokio::test]
async fn without_a_region_nothing_else_is_asked() {
    let found = diagnose(Err(Error::NoRegion), "pomona").await;
    assert_eq!(verdicts(&found), [("region", Verdict::Bad)]);
}
