//! What the doctor finds.

use serde_json::json;

use super::encryption;
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
        .answer(
            &configuration("plan"),
            json!({
                "FunctionName": "pomona-plan", "MemorySize": 3000, "Architectures": ["arm64"],
                "Environment": {"Variables": {"POMONA_MAX_CONCURRENCY": "20", "POMONA_INPUT": "s3://images/"}},
            }),
        )
        .with(encryption::QUESTION, 200, encryption::answer("aws:kms", true))
        .answer(
            &configuration("list-batch"),
            json!({"FunctionName": "pomona-list-batch", "MemorySize": 1769, "Architectures": ["arm64"]}),
        )
}

const INVOCATION: &str = "/2015-03-31/functions/pomona-plan/invocations";

/// The same, and plan answers.
fn answering(input: &str, output: &str, states: &str) -> Aws {
    let version = env!("CARGO_PKG_VERSION");
    let answer =
        json!({"version": version, "architecture": "aarch64", "input": input, "output": output, "states": states});
    ready(1000).answer(INVOCATION, answer)
}

async fn findings(aws: &Aws) -> Vec<Finding> {
    diagnose(Ok(aws.account()), "pomona").await
}

fn verdicts(findings: &[Finding]) -> Vec<(&str, Verdict)> {
    findings.iter().map(|finding| (finding.subject, finding.verdict)).collect()
}

#[tokio::test]
async fn everything_is_looked_at() {
    let aws = answering("reached", "reached", "reached");
    let found = findings(&aws).await;
    let of_plan = ["lambdas", "images", "output", "network"];
    let subjects =
        [&["region", "credentials", "stack", "concurrency", "memory", "encryption"][..], &of_plan[..]].concat();
    let subjects: Vec<_> = subjects.into_iter().map(|subject| (subject, Verdict::Good)).collect();
    assert_eq!(verdicts(&found), subjects, "{found:#?}");
    let parts = ["eu-west-3", "user/ada", MACHINE, "1000 of 1000", "list-batch has 1769 MB", "images", "aarch64"];
    for (finding, part) in found.iter().zip(parts) {
        assert!(finding.found.contains(part), "{finding:?}");
    }
    let execution = MACHINE.replace(":stateMachine:", ":execution:") + ":doctor";
    assert_eq!(aws.asked(INVOCATION)[0].body, json!({"task": "diagnose", "execution": execution}));
}

#[tokio::test]
async fn fewer_lambdas_than_the_stack_works_on_at_once_are_bad_and_the_right_number_is_said() {
    assert_eq!(verdicts(&findings(&ready(20)).await)[3], ("concurrency", Verdict::Good));
    let found = findings(&ready(10)).await;
    assert_eq!(verdicts(&found)[3], ("concurrency", Verdict::Bad));
    let remedy = found[3].remedy.as_deref().unwrap();
    for part in ["MaxConcurrency=10", "--max-concurrency 10", "Service Quotas"] {
        assert!(remedy.contains(part), "{remedy}");
    }
}

#[tokio::test]
async fn what_plan_cannot_reach_or_may_not_read_is_bad_and_says_what_to_give_it() {
    for ([input, output, states], bad, part) in [
        (["denied", "reached", "reached"], "images", "InputBucketName"),
        (["needs_key", "reached", "reached"], "images", "InputBucketKmsKeyArn"),
        (["archived", "reached", "reached"], "images", "restore it"),
        (["unreachable", "reached", "reached"], "images", "endpoints"),
        (["reached", "denied", "reached"], "output", "OutputBucketName"),
        (["reached", "needs_key", "reached"], "output", "OutputBucketKmsKeyArn"),
        (["reached", "unreachable", "reached"], "output", "endpoints"),
        (["empty", "empty", "unreachable"], "network", "endpoints"),
    ] {
        let found = findings(&answering(input, output, states)).await;
        let bad_ones: Vec<_> = found.iter().filter(|finding| finding.verdict == Verdict::Bad).collect();
        assert_eq!(bad_ones.len(), 1, "{found:#?}");
        assert_eq!(bad_ones[0].subject, bad);
        assert!(bad_ones[0].remedy.as_deref().unwrap().contains(part), "{found:#?}");
    }
}

#[tokio::test]
async fn lambdas_built_for_another_architecture_or_of_another_version_are_said_to_be_that() {
    let failure = json!({"errorType": "Runtime.InvalidEntrypoint", "errorMessage": "exec format error"});
    let found = findings(&ready(1000).answer(INVOCATION, failure)).await;
    assert_eq!(verdicts(&found)[6..], [("lambdas", Verdict::Bad)]);
    assert!(found[6].found.contains("arm64") && found[6].found.contains("exec format error"), "{:?}", found[6]);
    assert!(found[6].remedy.as_deref().unwrap().contains("Architecture"));

    let older = json!({"errorType": "Pomona.BadInput", "errorMessage": "the event cannot be used"});
    let found = findings(&ready(1000).answer(INVOCATION, older)).await;
    assert_eq!(verdicts(&found)[6..], [("lambdas", Verdict::Poor)]);
}

#[tokio::test]
async fn a_function_that_refuses_its_settings_says_which() {
    let message = "the model's recipe `/opt/m.recipe.json` cannot be used: it is of another model";
    let failure = json!({"errorType": "Pomona.BadInput", "errorMessage": message});
    let found = findings(&ready(1000).answer(INVOCATION, failure)).await;
    assert_eq!(verdicts(&found)[6..], [("lambdas", Verdict::Bad)]);
    assert_eq!(found[6].remedy.as_deref(), Some(message));
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
    let unknown = ["concurrency", "memory", "encryption", "lambdas"].map(|subject| (subject, Verdict::Unknown));
    assert_eq!(verdicts(&found)[3..], unknown);
    assert!(found[3].found.contains("AccessDeniedException"), "{:?}", found[3]);
}

#[tokio::test]
async fn a_stack_that_is_missing_is_bad() {
    let aws = ready(1000);
    let found = diagnose(Ok(aws.account()), "another").await;
    assert_eq!(verdicts(&found)[2..], [("stack", Verdict::Bad), ("concurrency", Verdict::Good)]);
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
