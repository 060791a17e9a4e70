"""The template: what linters do not know of this project. (The emulator knows no Rules, no bucket policies and no KMS.)"""

import json
import re
import tomllib

import pytest
from conftest import WORKSPACE

EU = ["eu-west-1", "eu-west-2", "eu-west-3"]
MAY_BE_ADDED = ["eu-central-1", "eu-north-1"]


@pytest.mark.parametrize(
    "region, expected",
    [
        *[(region, True) for region in [*EU, *MAY_BE_ADDED]],
        *[(region, False) for region in ["us-east-1", "eu-south-1"]],
    ],
)
def test_a_rule_refuses_every_other_region(template, region, expected):
    """By lists that are written out: of list parameters in their place the guide does not say that they are taken."""
    [rule] = template["Rules"].values()
    [assertion] = rule["Assertions"]
    possible, where = assertion["Assert"]["Fn::Contains"]
    assert where == {"Ref": "AWS::Region"}
    assert (region in possible) is expected


def test_what_a_first_deployment_could_not_undo_or_be_refused_for(template):
    kept = [each for each in template["Resources"].values() if each.get("UpdateReplacePolicy") == "Retain"]
    assert len(kept) == 3 and all(each["DeletionPolicy"] == "RetainExceptOnCreate" for each in kept)
    # S3 refuses a move to other storage that does not come before the end.
    parameters = template["Parameters"]
    assert parameters["RunsToColdDays"]["MaxValue"] < parameters["RunsExpireDays"]["MinValue"]


def test_nothing_is_sent_or_stored_without_tls(resources):
    kinds = ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"]
    policies = [policy for kind in kinds for policy in resources(kind).values()]
    assert len(policies) == 5
    for policy in policies:
        [guard] = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
        assert guard["Principal"] == "*" and guard["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        others = [each for each in policy["PolicyDocument"]["Statement"] if each is not guard]
        guarded = guard["Resource"] if isinstance(guard["Resource"], list) else [guard["Resource"]]
        for each in others:
            allowed = each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]
            assert all(resource in guarded for resource in allowed)


def test_the_state_machine_follows_its_own_executions_and_has_no_place_in_a_vpc(resources):
    role = resources("AWS::IAM::Role")["PipelineRole"]
    assert role["ManagedPolicyArns"] == [{"Ref": "RegionGuard"}, {"Ref": "Tracing"}]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    [children] = [each for each in statements if isinstance(each, dict) and each.get("Sid") == "FollowChildren"]
    ends = {resource["Fn::Sub"].rsplit("execution:", 1)[1] for resource in children["Resource"]}
    assert ends == {"${AWS::StackName}:*", "${AWS::StackName}/*"}


def test_builds_are_not_cached():
    """SAM's cache looks at a function's own folder, and most of the code lies in shared/."""
    config = tomllib.loads((WORKSPACE / "infra/samconfig.toml").read_text())
    environments = [value for value in config.values() if isinstance(value, dict)]
    sections = [section["parameters"] for environment in environments for section in environment.values()]
    assert sections and not any("cached" in section for section in sections)


def test_one_place_says_what_lambdas_are_built_for_and_run_on(template):
    """`sam build` and `sam deploy` read the same parameters; those of one of them alone could differ."""
    config = tomllib.loads((WORKSPACE / "infra/samconfig.toml").read_text())
    environments = [value for value in config.values() if isinstance(value, dict)]
    default = template["Parameters"]["Architecture"]["Default"]
    assert [each["global"]["parameters"]["parameter_overrides"] for each in environments] == [
        [f"Architecture={default}"]
    ] * 4
    assert not any(
        "parameter_overrides" in each[command]["parameters"] for each in environments for command in ("build", "deploy")
    )
    assert template["Globals"]["Function"]["Architectures"] == [{"Ref": "Architecture"}]


def test_the_state_machine_calls_what_was_deployed_last(resources):
    """A version is published where a template's text or code changes, so parameters of the stack would not reach runs."""
    [pipeline] = resources("AWS::Serverless::StateMachine").values()
    functions = [name for name in resources("AWS::Serverless::Function") if name != "Trigger"]
    called = {name: value for name, value in pipeline["DefinitionSubstitutions"].items() if name.endswith("Arn")}
    assert called == {f"{name}FunctionArn": {"Fn::GetAtt": [name, "Arn"]} for name in functions}


def test_a_bucket_that_the_stack_makes_is_always_read_with_the_stacks_key(resources):
    other = {"Fn::If": ["HasOutputKey", {"Ref": "OutputBucketKmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    keys = [statement["Resource"] for _, statement in statements(resources) if statement["Sid"] == "OutputKey"]
    assert len(keys) == 9 and all(each == [{"Fn::GetAtt": ["Key", "Arn"]}, other] for each in keys)


def test_an_account_may_ask_for_a_boundary_and_a_path_of_every_role(template, resources):
    boundary = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    roles, policies = resources("AWS::IAM::Role"), resources("AWS::IAM::ManagedPolicy")
    assert all(role["PermissionsBoundary"] == boundary for role in roles.values())
    assert all(each["Path"] == {"Ref": "RolePath"} for each in [*roles.values(), *policies.values()])
    assert (
        template["Parameters"]["PermissionsBoundaryArn"]["Default"],
        template["Parameters"]["RolePath"]["Default"],
    ) == ("", "/")


def test_an_output_bucket_that_is_there_is_used_and_not_made(template, resources):
    assert (
        template["Resources"]["OutputBucket"]["Condition"] == template["Resources"]["OutputBucketPolicy"]["Condition"]
    )
    [condition] = {template["Resources"]["OutputBucket"]["Condition"]}
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "OutputBucketName"}, ""]}
    # Who names the bucket in any other place names the one that is there.
    others = {name: each for name, each in template["Resources"].items() if not name.startswith("OutputBucket")}
    text = json.dumps({"resources": others, "outputs": template["Outputs"]}, default=str)
    made = len(re.findall(r'"Ref": "OutputBucket"|"Fn::GetAtt": \["OutputBucket"', text))
    assert made > 10 and made == len(
        re.findall(r'\["MakeOutputBucket", \{"(?:Ref|Fn::GetAtt)": \[?"OutputBucket"', text)
    )
    assert "${OutputBucket" not in text.replace("${OutputBucketName}", "")


def test_only_five_regions_can_be_allowed(template):
    parameter = template["Parameters"]["AllowedRegions"]
    assert parameter["Default"].split(",") == EU
    assert parameter["AllowedValues"] == [*EU, *MAY_BE_ADDED]


def test_lambdas_know_the_same_regions():
    source = (WORKSPACE / "shared/run/src/region.rs").read_text()
    lists = {
        name: re.findall(r'"([a-z0-9-]+)"', names)
        for name, names in re.findall(r"const (DEFAULT|POSSIBLE): \[&str; \d\] = \[(.*?)\]", source)
    }
    assert lists == {"DEFAULT": EU, "POSSIBLE": [*EU, *MAY_BE_ADDED]}


def test_every_role_is_kept_to_the_allowed_regions(resources):
    [guard] = resources("AWS::IAM::ManagedPolicy")["RegionGuard"]["PolicyDocument"]["Statement"]
    assert (guard["Effect"], guard["Action"], guard["Resource"]) == ("Deny", "*", "*")
    assert guard["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": {"Ref": "AllowedRegions"}}}
    roles = resources("AWS::IAM::Role")
    assert len(roles) == 10
    assert all({"Ref": "RegionGuard"} in role["ManagedPolicyArns"] for role in roles.values())


def test_every_function_has_a_role_of_its_own_and_knows_the_allowed_regions(template, resources):
    functions = resources("AWS::Serverless::Function")
    assert len(functions) == 8
    assert [function["Role"] for function in functions.values()] == [
        {"Fn::GetAtt": [f"{name}Role", "Arn"]} for name in functions
    ]
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POMONA_ALLOWED_REGIONS"] == {"Fn::Join": [",", {"Ref": "AllowedRegions"}]}


def statements(resources):
    for name, role in resources("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement["Fn::If"][1] if "Fn::If" in statement else statement


def actions(statement):
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def test_roles_allow_single_actions_on_named_resources(resources):
    for name, statement in statements(resources):
        assert not any("*" in action for action in actions(statement)), (name, statement["Sid"])
        assert statement["Resource"] != "*" or statement["Sid"] == "LogDelivery", (name, statement["Sid"])


def test_nothing_is_written_below_the_input_and_only_the_lock_pointer_and_what_is_damaged_left_over_or_old_are_deleted(
    resources,
):
    deleted = set()
    for name, statement in statements(resources):
        text = json.dumps(statement["Resource"], default=str)
        if "s3:PutObject" in actions(statement):
            assert "InputBucket" not in text and "InputPrefix" not in text, name
        if "s3:DeleteObject" in actions(statement):
            places = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            deleted |= {(name, place["Fn::Sub"][0].removeprefix("${Output}/${OutputPrefix}")) for place in places}
    damaged = {(role, "parts/*.moments") for role in ("PlanRole", "ListBatchRole", "SweepRole", "ReduceRole", "ProjectMapRole")} | {
        ("SweepRole", "sweeps/*"),
        ("ReduceRole", "sweeps/*"),
        ("ReduceRole", "nodes/*"),
        ("PlanRole", "nodes/*"),
    }
    finished = {("ListBatchRole", "parts/fragments/*")}
    folders = ("features", "pca", "metadata", "errors", "counters", "classify", "problems")
    left_over = {("PlanRole", f"runs/*/{folder}/*") for folder in folders} | {("PlanRole", "runs/*/fits.json")}
    tables = ("features/*", "pca/*", "metadata/*", "classify/predictions/*")
    old = {("ReportRole", f"runs/*/{name}") for name in (*tables, "_SUCCESS")}
    erased = {("EraseRole", "*")}
    assert (
        deleted
        == {("PlanRole", "lock.json"), ("PlanRole", "latest.json"), ("ReportRole", "lock.json")}
        | damaged
        | left_over
        | finished
        | old
        | erased
    )


def test_the_stack_takes_as_many_kept_runs_as_the_report_does(template, resources):
    source = (WORKSPACE / "shared/stages/src/retention.rs").read_text()
    parameter = template["Parameters"]["KeepRuns"]
    most = int(re.search(r"const MOST_KEPT: u32 = (\d+);", source)[1])
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (0, 3, most)
    variables = resources("AWS::Serverless::Function")["Report"]["Environment"]["Variables"]
    assert variables["POMONA_KEEP_RUNS"] == {"Ref": "KeepRuns"}


def test_buckets_are_private_encrypted_versioned_and_reached_by_tls_only(resources):
    buckets, policies = resources("AWS::S3::Bucket"), resources("AWS::S3::BucketPolicy")
    assert set(buckets) == {"InputBucket", "OutputBucket"}
    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] and rule["ServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
        }
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        old = next(rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Id"] == "old-versions")
        assert {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"} <= set(old)
        [denial] = policies[f"{name}Policy"]["PolicyDocument"]["Statement"]
        assert (denial["Effect"], denial["Action"], denial["Condition"]) == (
            "Deny",
            "s3:*",
            {"Bool": {"aws:SecureTransport": "false"}},
        )


def test_parts_and_nodes_expire_when_the_plan_believes_they_do(resources):
    rules = {
        rule["Id"]: rule for rule in resources("AWS::S3::Bucket")["OutputBucket"]["LifecycleConfiguration"]["Rules"]
    }
    days = resources("AWS::Serverless::Function")["Plan"]["Environment"]["Variables"]["POMONA_PARTS_EXPIRE_DAYS"]
    assert {rules[name]["ExpirationInDays"]["Ref"] for name in ("parts", "nodes", "archives", "sweeps")} == {days["Ref"]}
    assert {rules[name]["Prefix"]["Fn::Sub"] for name in ("parts", "nodes", "archives", "sweeps", "runs")} == {
        "${OutputPrefix}parts/",
        "${OutputPrefix}nodes/",
        "${OutputPrefix}archives/",
        "${OutputPrefix}sweeps/",
        "${OutputPrefix}runs/",
    }


def test_every_way_in_which_an_execution_ends_is_announced(resources):
    rules = [
        rule
        for rule in resources("AWS::Events::Rule").values()
        if rule["Targets"][0]["Arn"] == {"Ref": "Notifications"}
    ]
    ends = [status for rule in rules for status in rule["EventPattern"]["detail"]["status"]]
    assert sorted(ends) == ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]


def test_the_key_and_the_topic_let_events_alarms_and_budgets_through(resources):
    services = {"events.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    [key], [policy] = resources("AWS::KMS::Key").values(), resources("AWS::SNS::TopicPolicy").values()
    by_service = {
        statement["Principal"].get("Service"): statement
        for statement in key["KeyPolicy"]["Statement"]
        if "AWS" not in statement["Principal"] and isinstance(statement["Principal"]["Service"], str)
    }
    assert set(by_service) == services
    assert all({"kms:Decrypt", "kms:GenerateDataKey*"} == set(statement["Action"]) for statement in by_service.values())
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert {statement["Principal"]["Service"] for statement in allowed} == services
    [topic] = resources("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == {"Ref": "Key"}


def test_logs_are_kept_for_a_set_time(resources):
    groups = resources("AWS::Logs::LogGroup")
    assert len(groups) == 9
    assert all(
        group["RetentionInDays"] == {"Ref": "LogRetentionDays"} and "KmsKeyId" in group for group in groups.values()
    )


def test_deployment_has_an_environment_for_each_region():
    config = tomllib.loads((WORKSPACE / "infra/samconfig.toml").read_text())
    regions = {
        name: settings["deploy"]["parameters"]["region"] for name, settings in config.items() if name != "version"
    }
    assert regions == {"default": "eu-west-1", **{region: region for region in EU}}


def test_every_function_and_role_of_a_run_is_an_output(template, resources):
    values = [output["Value"] for output in template["Outputs"].values()]
    for name in resources("AWS::Serverless::Function"):
        assert {"Fn::GetAtt": [name, "Arn"]} in values and {"Fn::GetAtt": [f"{name}Role", "Arn"]} in values, name
    assert {"Fn::GetAtt": ["PipelineRole", "Arn"]} in values and {"Fn::GetAtt": ["Key", "Arn"]} in values
