"""EventBridge: rules that publish to SNS, rules on a schedule, and that S3 tells it of delete markers."""

import functools
import json

from moto.core import DEFAULT_ACCOUNT_ID
from moto.events.models import Rule, events_backends
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.sns.models import sns_backends

from .lambdas import client

_send_to_targets = Rule.send_to_targets


def message(transformer, event):
    """The text of an input transformer whose template is a string; paths are plain ones, such as $.detail.name.
    Values are put in as they are: what is no JSON then, AWS does not deliver either."""
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        value = functools.reduce(lambda found, field: found[field], path.removeprefix("$.").split("."), event)
        text = text.replace(f"<{name}>", str(value))
    return json.loads(text)


def send_to_targets(self, original_event, transform_input=True):
    if self.state != "ENABLED" or self.scheduled_expression or not self.event_pattern.matches_event(original_event):
        return
    topics = [target for target in self.targets if ":sns:" in target["Arn"]]
    for target in topics:
        sns_backends[self.account_id][self.region_name].publish(
            message(target["InputTransformer"], original_event), arn=target["Arn"]
        )
    if not topics:
        _send_to_targets(self, original_event, transform_input)


Rule.send_to_targets = send_to_targets


def come_due(region, name):
    """The time of a schedule has come: what its rule starts, if it is enabled."""
    rule = events_backends[DEFAULT_ACCOUNT_ID][region].describe_rule(name, None)
    if rule.state != "ENABLED":
        return []
    start = client("stepfunctions", region, "schedule").start_execution
    return [start(stateMachineArn=target["Arn"], input=target["Input"])["executionArn"] for target in rule.targets]


# ---- S3 tells EventBridge of a delete marker, too
_delete_object = S3Backend.delete_object


def delete_object(self, bucket_name, key_name, version_id=None, bypass=False):
    bucket = self.get_bucket(bucket_name)
    was_there = bucket.keys.get(key_name)
    answer = _delete_object(self, bucket_name, key_name, version_id, bypass)
    if was_there is not None and bucket.is_versioned and version_id is None:
        kind = notifications.S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        notifications.send_event(self.account_id, kind, bucket, was_there)
    return answer


S3Backend.delete_object = delete_object
