"""What starts by itself: uploads and deletions through the queue, a schedule; and what follows where a run cannot start at once."""

import json
from datetime import UTC, datetime, timedelta

from cloud import until
from moto.events.models import EventPattern
from results import assert_same

LOCALLY = ["--components", "10", "--shard-size", "8"]


def finished(stack, number):
    """The report of the n-th execution, which has to succeed."""
    execution = until(lambda: stack.executions()[number:], f"execution {number}")[0]
    ended = stack.wait(execution["executionArn"])
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    return json.loads(ended["output"])


def calm(stack):
    """Lets messages arrive until none is left and no run is going: how the last run ended."""

    def is_at_rest():
        statuses = {execution["status"] for execution in stack.executions()}
        return statuses and "RUNNING" not in statuses

    # The last message may have started a run just now.
    until(lambda: is_at_rest() and not stack.hurry() and is_at_rest(), "calm", 240)
    return stack.wait(stack.executions()[-1]["executionArn"])


def test_a_run_that_failed_for_another_reason_is_followed_by_none(watching):
    """EventBridge may leave the error out, and the trigger asks the execution then."""
    ended = watching.run()
    assert ended["error"] == "Pomona.NoImages"
    detail = {"executionArn": ended["executionArn"], "status": "FAILED"}
    sqs = watching.emulator.client("sqs", watching.region)
    body = json.dumps({"source": "aws.states", "detail": detail})
    sqs.send_message(QueueUrl=watching.outputs["UploadsQueueUrl"], MessageBody=body)
    assert watching.settle(1) == ["not_wanted"]
    assert len(watching.executions()) == 1 and watching.messages() == [0, 0, 0]


def test_the_clock_is_told_of_a_run_that_is_going(watching, forty):
    def look():
        answer = watching.emulator.client("lambda", watching.region).invoke(
            FunctionName=f"{watching.name}-trigger", Payload=b'{"task": "watch"}'
        )
        return json.load(answer["Payload"])

    assert look() == {"outcome": "watched", "running_minutes": None}
    watching.upload(forty)
    with watching.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        until(lambda: any(key.endswith("/shards.json") for key in watching.keys("runs/")), "plan")
        assert look() == {"outcome": "watched", "running_minutes": 0}
    # Not calm: an upload that was told of behind the run's start waits for the next one, as long as runs are apart.
    finished(watching, 0)


def few(images):
    return dict(list(images.items())[:3])


def test_uploads_start_one_run_and_those_within_the_interval_leave_one_message(watching, forty, local):
    with watching.at_once():
        watching.upload(forty)
    assert_same(watching.result(finished(watching, 0)), local(forty, *LOCALLY))
    outcomes = watching.settle(1)
    assert outcomes[0] == "started" and set(outcomes[1:]) <= {"postponed", "postponed_before"}
    [execution] = watching.executions()
    assert execution["name"].startswith("uploads-")

    later = {f"Later/{number}.jpg": content for number, content in enumerate(forty.values())}
    watching.upload(later)
    outcomes = watching.settle(len(outcomes) + 1)
    assert len(watching.executions()) == 1 and outcomes.count("postponed") == 1
    assert watching.messages() == [0, 1, 0]
    # It arrives, and it is still too early; it arrives again, and no longer is.
    watching.hurry()
    assert watching.settle(len(outcomes) + 1)[-1] == "postponed"
    assert (len(watching.executions()), watching.messages()) == (1, [0, 1, 0])
    watching.configure("trigger", POMONA_MINUTES_BETWEEN_RUNS="0")
    watching.hurry()
    assert_same(watching.result(finished(watching, 1)), local({**forty, **later}, *LOCALLY))
    assert watching.messages() == [0, 0, 0]


def test_a_run_that_is_going_is_followed_by_another(watching, forty, local):
    with watching.faults(
        {"function": "list-batch", "kind": "hold", "times": 100}, {"function": "trigger", "kind": "twice"}
    ):
        watching.upload(forty)
        until(lambda: any(key.endswith("/shards.json") for key in watching.keys("runs/")), "plan")
        more = {"More/1.jpg": next(iter(forty.values()))}
        watching.upload(more)
        outcomes = watching.settle(2)
        assert outcomes.count("started") == 1 and outcomes.count("postponed") == 1
        assert (len(watching.executions()), watching.messages()) == (1, [0, 1, 0])
    watching.wait(watching.executions()[0]["executionArn"])
    watching.configure("trigger", POMONA_MINUTES_BETWEEN_RUNS="0")
    watching.hurry()
    assert_same(watching.result(finished(watching, 1)), local({**forty, **more}, *LOCALLY))


def test_a_name_that_was_used_starts_no_second_run_whatever_the_list_of_runs_says(watching, emulator, forty):
    emulator.control("lag", [3600])
    try:
        watching.upload(forty)
        outcomes = watching.settle(1)
        watching.upload(few(forty))
        outcomes = watching.settle(len(outcomes) + 1)
    finally:
        emulator.control("lag", [0])
    assert outcomes.count("started") == outcomes.count("postponed") == 1
    calls = [
        call
        for call in emulator.control("calls")
        if call["caller"] == f"{watching.name}-trigger" and call["action"] == "states:StartExecution"
    ]
    assert [call["status"] for call in calls][:2] == [200, 400]
    assert (len(watching.executions()), watching.messages()) == (1, [0, 1, 0])


def test_a_batch_that_failed_comes_again(watching, forty):
    with watching.faults({"function": "trigger", "kind": "crash", "after": 0}):
        watching.upload(forty)
        until(lambda: watching.invocations("trigger"), "invocation")
    assert watching.invocations("trigger")[0]["failed"]
    watching.hurry()
    finished(watching, 0)


def test_a_run_that_finds_the_output_in_use_is_followed_by_another(watching, forty):
    """In use by a program on somebody's machine, which no list of executions shows."""
    until_tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lock = {
        "run_id": "20260131T120000Z-0123abcd",
        "holder": "a program",
        "since": "2026-01-31T12:00:00Z",
        "until": until_tomorrow,
    }
    watching.s3.put_object(Bucket=watching.output, Key="lock.json", Body=json.dumps(lock))
    with watching.at_once():
        watching.upload(forty)
    [execution] = until(watching.executions, "execution")
    ended = watching.wait(execution["executionArn"])
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.Busy")
    watching.settle(2)
    assert (len(watching.executions()), watching.messages()) == (1, [0, 1, 0])
    watching.s3.delete_object(Bucket=watching.output, Key="lock.json")
    watching.configure("trigger", POMONA_MINUTES_BETWEEN_RUNS="0")
    watching.hurry()
    finished(watching, 1)


def test_deletions_start_runs_and_the_pointer_goes_when_the_input_may_be_empty(watching, forty, local):
    watching.configure("trigger", POMONA_MINUTES_BETWEEN_RUNS="0")
    with watching.at_once():
        watching.upload(forty)
    calm(watching)
    gone, rest = list(forty)[:20], dict(list(forty.items())[20:])
    for key in gone:
        watching.s3.delete_object(Bucket=watching.input, Key=key)
    ended = calm(watching)
    assert_same(watching.result(json.loads(ended["output"])), local(rest, *LOCALLY))

    with watching.at_once():
        for key in rest:
            watching.s3.delete_object(Bucket=watching.input, Key=key)
    ended = calm(watching)
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.NoImages")
    assert "latest.json" in watching.keys(), "nobody said that the input may be empty"

    ended = watching.run(options={"allow_empty": True})
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.NoImages")
    assert "latest.json" not in watching.keys()


def test_nothing_starts_by_itself_unless_it_is_wanted(stack, forty):
    stack.upload(few(forty))
    assert come_due(stack) == []
    assert (stack.executions(), stack.messages(), stack.invocations("trigger")) == ([], [0, 0, 0], [])


def test_only_what_changes_the_dataset_counts_as_a_change(watching):
    """Events as S3 documents them, which the emulator's S3 tells no reason of."""
    # All stacks of the emulator share one list of rules, which is longer than a page.
    pages = watching.emulator.client("events", watching.region).get_paginator("list_rules").paginate()
    patterns = [rule.get("EventPattern", "") for page in pages for rule in page["Rules"]]
    [pattern] = [pattern for pattern in patterns if "aws.s3" in pattern and watching.input in pattern]

    def is_change(kind, version=None, **detail):
        changed = {"key": "cat/1.jpg"} | ({"version-id": version} if version else {})
        detail = {"bucket": {"name": watching.input}, "object": changed} | detail
        event = {"source": "aws.s3", "detail-type": kind, "detail": detail}
        return EventPattern(pattern, json.loads(pattern)).matches_event(event)

    gone, marked = {"deletion-type": "Permanently Deleted"}, {"deletion-type": "Delete Marker Created"}
    assert is_change("Object Created", "v2", reason="PutObject") and is_change("Object Created", reason="CopyObject")
    assert is_change("Object Deleted", "v3", reason="DeleteObject", **marked)
    assert is_change("Object Deleted", "v2", reason="DeleteObject", **gone)
    assert is_change("Object Deleted", "v3", reason="Lifecycle Expiration", **marked)
    assert is_change("Object Deleted", reason="Lifecycle Expiration", **gone)
    assert not is_change("Object Deleted", "v1", reason="Lifecycle Expiration", **gone)
    assert not is_change("Object Tags Added", "v2")


def come_due(stack):
    """The executions that the stack's schedule starts when its time comes."""
    [rule] = stack.emulator.client("events", stack.region).list_rule_names_by_target(
        TargetArn=stack.outputs["StateMachineArn"]
    )["RuleNames"]
    return stack.emulator.control("come-due", [stack.region, rule])


def test_a_schedule_starts_a_run_with_its_options(emulator, forty, local):
    stack = emulator.deploy(
        "pomona-scheduled", ScheduleState="ENABLED", RunOptions='{"components": 10, "shard_size": 8}'
    )
    stack.upload(forty)
    [execution] = come_due(stack)
    ended = stack.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert_same(stack.result(json.loads(ended["output"])), local(forty, *LOCALLY))


def test_an_existing_bucket_gets_its_switch_and_keeps_its_other_notifications(emulator, forty, local):
    s3, bucket = emulator.client("s3"), "somebodys-photos"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    emulator.client("sqs").create_queue(QueueName="somebody-listens")
    theirs = {
        "Id": "theirs",
        "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:somebody-listens",
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "photos/"}]}},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]})
    before = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    stack = emulator.deploy(
        "pomona-existing",
        StartOnUploads="true",
        InputBucketName=bucket,
        InputPrefix="photos/",
        RunOptions='{"components": 10, "shard_size": 8}',
    )
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == before

    # The emulator does not show the switch, but what it does. What lies elsewhere in the bucket is nobody's business.
    stack.upload({"elsewhere/1.jpg": next(iter(forty.values()))})
    with stack.at_once():
        stack.upload({f"photos/{key}": content for key, content in forty.items()})
    assert_same(stack.result(finished(stack, 0)), local(forty, *LOCALLY))
    messages = [
        record["body"]
        for invocation in stack.invocations("trigger")
        for record in invocation["event"].get("Records", [])
    ]
    assert messages and not any("elsewhere" in body for body in messages)
