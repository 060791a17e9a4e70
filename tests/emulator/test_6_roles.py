"""Every call that was recorded while the other tests ran is allowed by the caller's role, and everything a role allows was used.

The emulator enforces no IAM, so this evaluates the deployed policies: Allow statements, `*` in actions and resources, and the one
condition that depends on the request (s3:prefix).
"""

import ast
import fnmatch
import json
import re

import pytest
from cloud import FUNCTIONS

# What the emulator cannot show, by statement.
NOT_SEEN_HERE = {
    "Logs": "processes write their logs to files",
    "InputKey": "only with an existing bucket",
    "StartChildren": "the interpreter runs the children itself",
    "FollowChildren": "the interpreter runs the children itself; redriving is not emulated",
    "SetDamagedNodesAside": "only where a node is damaged between its making and the check behind it",
    "RemoveFragmentsOfFinishedParts": "only where a shard takes longer than half a minute",
    "LogDelivery": "logs of state machines are not emulated",
}
# Lambda itself asks how long a queue is.
NOT_ASKED_HERE = {"sqs:GetQueueAttributes"}
# Parts under a name of this run's own are looked for only where an image could not be read; all can be here.
ONLY_AFTER_UNREADABLE_IMAGES = ("project-map", "LearnThatObjectsAreMissing")
# Step Functions asks for these together with s3:PutObject to write results of any size; here they are small.
ONLY_FOR_LARGE_RESULTS = {"s3:ListMultipartUploadParts", "s3:AbortMultipartUpload", "s3:GetObject"}


def as_list(value):
    """What a condition leaves out of a list is None."""
    return [each for each in value if each is not None] if isinstance(value, list) else [value]


def matches(pattern, text):
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), text) is not None


def holds(condition, context):
    """Whether a statement's condition lets the request pass; conditions that do not depend on the request do."""
    for operator, keys in condition.items():
        for key, patterns in keys.items():
            if key != "s3:prefix":
                continue
            if key not in context:
                return operator.endswith("IfExists")
            if not any(matches(pattern, context[key]) for pattern in as_list(patterns)):
                return False
    return True


class Role:
    def __init__(self, emulator, arn):
        iam, name = emulator.client("iam"), arn.split("/")[-1]
        policies = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        # The emulator writes documents as Python does; a statement that a condition leaves out is None.
        self.statements = [
            statement for policy in policies for statement in ast.literal_eval(str(policy))["Statement"] if statement
        ]
        self.used = set()

    def grants(self):
        """Every action on every resource, named so that the same one has the same name in another stack."""
        for statement in self.statements:
            for action in as_list(statement["Action"]):
                for number, resource in enumerate(as_list(statement["Resource"])):
                    yield (statement["Sid"], action, number), action, resource, statement.get("Condition", {})

    def allows(self, call):
        used = {
            grant
            for grant, action, resource, condition in self.grants()
            if matches(action, call["action"])
            and matches(resource, call["resource"])
            and holds(condition, call.get("context", {}))
        }
        self.used |= used
        return bool(used)


def with_what_they_imply(call, key):
    """The calls that IAM is asked for besides: the key of an encrypted object, and whether an object may be known to be missing."""
    yield call
    if call["action"] == "s3:GetObject" and call["status"] == 404:
        yield {"action": "s3:ListBucket", "resource": call["resource"].split("/")[0]}
    elif call["action"] in ("s3:GetObject", "s3:GetObjectVersion"):
        yield {"action": "kms:Decrypt", "resource": key}
    elif call["action"] in ("s3:PutObject", "sqs:SendMessage"):
        yield {"action": "kms:GenerateDataKey", "resource": key}
    elif call["action"] == "sqs:ReceiveMessage":
        yield {"action": "kms:Decrypt", "resource": key}


@pytest.fixture(scope="module")
def roles(emulator):
    """Roles of the functions and the state machine by stack and name; each has seen all recorded calls of its bearer."""
    denied = []
    calls = emulator.control("calls")
    found = {name: [] for name in [*FUNCTIONS, "state-machine", "schedule"]}
    for stack in emulator.stacks:
        functions = emulator.client("lambda", stack.region)
        arns = {
            name: functions.get_function_configuration(FunctionName=f"{stack.name}-{name}")["Role"]
            for name in FUNCTIONS
        }
        arns["state-machine"] = stack.sfn.describe_state_machine(stateMachineArn=stack.outputs["StateMachineArn"])[
            "roleArn"
        ]
        arns["schedule"] = schedule_of(emulator, stack)["RoleArn"]
        [rule] = stack.s3.get_bucket_encryption(Bucket=stack.output)["ServerSideEncryptionConfiguration"]["Rules"]
        key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        for name, arn in arns.items():
            role = Role(emulator, arn)
            found[name].append(role)
            for call in calls:
                if is_made_by(call, stack, name):
                    denied += [(name, each) for each in with_what_they_imply(call, key) if not role.allows(each)]
    return found, denied


def schedule_of(emulator, stack):
    """The target of the stack's schedule."""
    events = emulator.client("events", stack.region)
    rules = events.list_rule_names_by_target(TargetArn=stack.outputs["StateMachineArn"])["RuleNames"]
    [target] = events.list_targets_by_rule(Rule=rules[0])["Targets"]
    return target


def is_made_by(call, stack, name):
    if name == "schedule":
        return call["caller"] == name and call["resource"] == stack.outputs["StateMachineArn"]
    if name != "state-machine":
        return call["caller"] == f"{stack.name}-{name}"
    own = (f":{stack.output}/", f":{stack.name}-")
    return call["caller"] == "state-machine" and any(part in call["resource"] for part in own)


def test_every_call_is_allowed_by_the_role_of_its_caller(roles):
    found, denied = roles
    assert all(any(role.used for role in each) for each in found.values()), (
        "nothing was recorded: run all tests of this folder"
    )
    assert denied == [], json.dumps(denied[:5], indent=1)


def test_everything_that_a_role_allows_was_used(roles):
    found, _ = roles
    unused = set()
    for name, each in found.items():
        used = set().union(*(role.used for role in each))
        for grant, action, resource, _ in each[0].grants():
            sid = grant[0]
            cannot_be_seen = (
                sid in NOT_SEEN_HERE or action in NOT_ASKED_HERE or (name, sid) == ONLY_AFTER_UNREADABLE_IMAGES
            )
            if (
                grant not in used
                and not cannot_be_seen
                and not (sid == "WriteResults" and action in ONLY_FOR_LARGE_RESULTS)
            ):
                unused.add(f"{name}: {sid}: {action} on {resource}")
    assert not unused, "\n".join(sorted(unused))
