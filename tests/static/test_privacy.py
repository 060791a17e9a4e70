"""PRIVACY.md: no store of the template is left out, and what it says of days is what the template does."""

import re

from conftest import WORKSPACE

KEEPS_DATA = {
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::Logs::LogGroup",
    "AWS::Serverless::StateMachine",
    "AWS::CloudWatch::Dashboard",
}
KEEPS_NONE = {
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Function",
    "AWS::Serverless::LayerVersion",
    "Custom::BucketEvents",
}
PAGE = (WORKSPACE / "infra/PRIVACY.md").read_text()


def rows():
    """The cells of the table of stores."""
    [table] = re.findall(r"^\| store .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:] if line]


def test_every_store_of_the_template_is_a_row(template):
    kinds = {each["Type"] for each in template["Resources"].values()}
    assert kinds <= KEEPS_DATA | KEEPS_NONE, "say whether these keep data"
    stores = " ".join(row[0] for row in rows())
    said = {
        "AWS::S3::Bucket": lambda name: {"InputBucket": "input bucket", "OutputBucket": "output bucket"}[name],
        "AWS::SQS::Queue": lambda name: f"`{name}`",
        "AWS::SNS::Topic": lambda name: f"`{name}`",
        "AWS::Logs::LogGroup": lambda _: "log groups",
        "AWS::Serverless::StateMachine": lambda name: f"`{name}`",
        "AWS::CloudWatch::Dashboard": lambda _: "the dashboard",
    }
    for name, resource in template["Resources"].items():
        if say := said.get(resource["Type"]):
            assert say(name) in stores, name


def test_the_days_are_the_templates(template):
    days = re.findall(r"`(\w+Days)` \((\d+)\)", PAGE)
    assert {name for name, _ in days} >= {"PartsExpireDays", "RunsExpireDays", "OldVersionsExpireDays", "LogRetentionDays"}
    assert all(template["Parameters"][name]["Default"] == int(default) for name, default in days)


def test_every_folder_of_the_output_is_a_row(template):
    """Those that have a lifecycle of their own, and those that have none."""
    rules = template["Resources"]["OutputBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    folders = {rule["Prefix"]["Fn::Sub"].removeprefix("${OutputPrefix}") for rule in rules if "Prefix" in rule}
    stores = " ".join(row[0] for row in rows())
    for folder in folders | {"erasures/"}:
        assert f"`{folder}`" in stores, folder
