"""What goes wrong on the way changes nothing, or fails the run in a way that can be mended."""

import itertools
import json
import threading
from pathlib import Path

import pytest
from cloud import STAGES, until
from results import assert_same

OPTIONS = {"components": 10, "shard_size": 8}
LOCALLY = ["--components", "10", "--shard-size", "8"]


@pytest.mark.parametrize("kind", ["crash", "lost_answer", "twice"])
def test_a_fault_of_every_function_changes_nothing(stack, forty, local, kind):
    stack.upload(forty)
    # Passes have tests of their own.
    called = [function for function in STAGES if function != "sweep"]
    with stack.faults(*({"function": function, "kind": kind, "times": 1} for function in called)):
        report = stack.succeed(options=OPTIONS)
    if kind != "twice":
        assert all(any(invocation["failed"] for invocation in stack.invocations(function)) for function in called)
    assert_same(stack.result(report), local(forty, *LOCALLY))


def test_a_shard_that_runs_out_of_time_is_tried_again(stack, forty, local):
    stack.upload(forty)
    with stack.faults({"function": "list-batch", "kind": "timeout", "times": 2, "after": 0.02}):
        report = stack.succeed(options=OPTIONS)
    assert sum(invocation["failed"] for invocation in stack.invocations("list-batch")) == 2
    assert_same(stack.result(report), local(forty, *LOCALLY))


def test_throttling_and_passing_troubles_are_waited_out(stack, forty, local):
    stack.upload(forty)
    throttled = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}
    passing = {"errorType": "Pomona.Retryable", "errorMessage": "slow down"}
    with stack.faults(
        {"function": "list-batch", "kind": "error", "answer": throttled, "times": 2},
        {"function": "report", "kind": "error", "answer": passing},
    ):
        report = stack.succeed(options=OPTIONS)
    assert_same(stack.result(report), local(forty, *LOCALLY))


def test_a_failing_shard_fails_the_execution_and_a_new_start_computes_only_that_shard(stack, forty, local):
    stack.upload(forty)
    hear = stack.listen()
    defect = {"errorType": "Pomona.Internal", "errorMessage": "internal error: the third shard; please report it"}
    with stack.faults(
        {"function": "list-batch", "kind": "error", "answer": defect, "times": 100, "match": '"shard": 2,'}
    ):
        ended = stack.run(options=OPTIONS)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    [failed] = [json.loads(stack.read(key)) for key in stack.keys("runs/") if key.endswith("/FAILED_0.json")]
    assert [child["Error"] for child in failed] == ["Pomona.Internal"] and "the third shard" in failed[0]["Cause"]
    message = hear()
    assert (
        "FAILED" in message
        and "States.ExceedToleratedFailureThreshold" in message
        and "FAILED_0.json" in message
        and ended["executionArn"] in message
    )
    assert "latest.json" not in stack.keys()

    finished = len(stack.invocations("list-batch"))
    report = stack.succeed(options=OPTIONS)
    assert len(stack.invocations("list-batch")) == finished + 1
    assert_same(stack.result(report), local(forty, *LOCALLY))


def held(stack, **request):
    """An execution whose plan is made and whose extraction waits."""
    execution = stack.start(**request)
    until(lambda: any(key.endswith("/shards.json") for key in stack.keys("runs/")), "plan")
    return execution


def test_an_image_that_is_replaced_meanwhile_is_planned_anew(stack, forty, local):
    stack.upload(forty)
    [replaced, gone, other, *_] = forty
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        execution = held(stack, options=OPTIONS)
        stack.upload({replaced: forty[other]})
        stack.s3.delete_object(Bucket=stack.input, Key=gone)
    ended = stack.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert len(stack.plans()) == 2
    now = {**forty, replaced: forty[other]}
    del now[gone]
    assert_same(stack.result(json.loads(ended["output"])), local(now, *LOCALLY))


def test_an_input_that_keeps_changing_is_given_up_after_three_plans_more(stack, forty):
    stack.upload(forty)
    [key, *_] = forty
    has_ended = threading.Event()

    def keep_changing():
        for number in itertools.count():
            if has_ended.wait(0.02):
                return
            stack.upload({key: Path(forty[key]).read_bytes() + bytes([number % 256])})

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        ended = stack.run(options=OPTIONS)
    finally:
        has_ended.set()
        changing.join()
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.InputChanged")
    assert len(stack.plans()) == 4


@pytest.mark.parametrize(
    "function, match", [("list-batch", '"shard": 12'), ("project-map", '"shard": 12'), ("reduce", '"task": "combine"')]
)
def test_what_no_lambda_is_free_for_is_left_out_and_done_when_one_is(stack, three_hundred, function, match, local):
    # So many shards that there are nodes.
    images = dict(list(three_hundred.items())[:130])
    stack.upload(images)
    # Eleven tries, after which the child gives up, and more in the next pass.
    throttled = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}
    with stack.faults({"function": function, "kind": "error", "answer": throttled, "times": 30, "match": match}):
        report = stack.succeed(options={"shard_size": 1, "components": 2, "csv": "none"})
    assert len(stack.plans()) == 1, "throttling is no reason to plan anew"
    assert len([invocation for invocation in stack.invocations("plan") if invocation["event"]["task"] == "check"]) > 3
    assert_same(stack.result(report), local(images, "--components", "2", "--shard-size", "1", "--csv", "none"))


def test_a_run_that_no_lambda_is_free_for_at_all_gives_up_by_that_name(stack, forty):
    stack.upload(forty)
    throttled = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}
    with stack.faults({"function": "list-batch", "kind": "error", "answer": throttled, "times": 10_000}):
        ended = stack.run(options={"components": 2, "shard_size": 100})
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.TooManyRequestsException")
    assert len(stack.plans()) == 1 and "Service Quotas" in ended["cause"]


def test_names_of_images_are_nowhere_but_in_s3(stack, emulator, forty):
    """In no history, state, message or log: not when an image is unusable, nor when one changes, nor when the run fails."""
    mark = "Anna-Archer"
    [first, *others] = forty
    named = {f"{mark}/{key.split('/')[-1]}": forty[key] for key in others}
    stack.upload({**named, f"{mark}/broken.jpg": b"no image"})
    hear = stack.listen()
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        execution = held(stack, options={**OPTIONS, "max_reject_share": 0.0})
        stack.upload({next(iter(named)): forty[first]})
    ended = stack.wait(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.TooManyRejects")
    assert len(stack.plans()) == 2
    said = [json.dumps(stack.history(execution), default=str), ended["cause"], hear()]
    said += [log.read_text() for log in emulator.folder.glob(f"{stack.name}-*.log")]
    assert len(said) > 5 and not any(mark in text for text in said)
    assert mark in stack.problem(ended)


def damage(stack, key, alter):
    stack.s3.put_object(
        Bucket=stack.output, Key=key, Body=alter(stack.s3.get_object(Bucket=stack.output, Key=key)["Body"].read())
    )


def flipped(content):
    """With another bit at the end: in the numbers of moments, in the footer of a table."""
    return content[:-1] + bytes([content[-1] ^ 1])


def files(stack, kind):
    return [key for key in stack.keys() if key.endswith(kind)]


def test_damaged_parts_are_made_anew_by_the_run_that_meets_them(stack, forty, local):
    stack.upload(forty)
    stack.succeed(options=OPTIONS)
    # The plan meets the first, reduce the second and the third, of which it reads the features, project the last.
    moments = files(stack, ".moments")
    damage(stack, moments[0], lambda content: content[:100])
    damage(stack, moments[1], flipped)
    damage(stack, files(stack, ".features.parquet")[2], flipped)
    damage(stack, files(stack, ".rejects.parquet")[3], flipped)
    plans = len(stack.plans())
    report = stack.succeed(options=OPTIONS)
    assert len(stack.plans()) == plans + 3
    assert_same(stack.result(report), local(forty, *LOCALLY))


def test_no_new_part_takes_anything_over_from_a_damaged_one(stack, forty, local):
    stack.upload(forty)
    stack.succeed(options=OPTIONS)
    for key in files(stack, ".features.parquet"):
        damage(stack, key, flipped)
    [replaced, other, *_] = forty
    stack.upload({replaced: forty[other]})
    assert_same(stack.result(stack.succeed(options=OPTIONS)), local({**forty, replaced: forty[other]}, *LOCALLY))


def test_counters_that_are_damaged_before_they_are_reported_are_counted_anew(stack, forty, local):
    stack.upload(forty)
    with stack.faults({"function": "report", "kind": "hold"}):
        execution = stack.start(options=OPTIONS)
        until(lambda: len([key for key in stack.keys("runs/") if "/counters/" in key]) == 4, "all counters")
        damage(stack, next(key for key in stack.keys("runs/") if "/counters/" in key), flipped)
    ended = stack.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert len(stack.plans()) == 2
    assert_same(stack.result(json.loads(ended["output"])), local(forty, *LOCALLY))


def test_a_damaged_node_is_merged_anew(stack, three_hundred):
    stack.upload(dict(list(three_hundred.items())[:130]))
    options = {"shard_size": 1, "components": 2, "csv": "none"}
    first = stack.succeed(options=options)
    damage(stack, stack.keys("nodes/")[0], flipped)
    assert_same(stack.result(stack.succeed(options=options)), stack.result(first))


def test_a_second_execution_on_the_same_output_is_busy(stack, forty):
    stack.upload(forty)
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        first = held(stack, options=OPTIONS)
        second = stack.run(options=OPTIONS)
        assert (second["status"], second["error"]) == ("FAILED", "Pomona.Busy")
        assert first in stack.problem(second)
    assert stack.wait(first)["status"] == "SUCCEEDED"


def test_the_lock_of_a_stopped_execution_holds_nobody_up(stack, forty):
    stack.upload(forty)
    hear = stack.listen()
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        first = held(stack, options=OPTIONS)
        stack.sfn.stop_execution(executionArn=first)
    assert stack.wait(first)["status"] == "ABORTED"
    assert "ABORTED" in hear()
    assert "lock.json" in stack.keys()
    stack.succeed(options=OPTIONS)


def test_what_would_expire_soon_is_refreshed_by_the_plan(stack, three_hundred):
    # So many shards that there are nodes.
    stack.upload(dict(list(three_hundred.items())[:130]))
    options = {"shard_size": 1, "components": 2, "csv": "none"}
    first = stack.succeed(options=options)

    def written():
        pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.output)
        kept = [found for page in pages for found in page["Contents"] if found["Key"].startswith(("parts/", "nodes/"))]
        return {found["Key"]: found["LastModified"] for found in kept}

    before = written()
    assert any(key.startswith("nodes/") for key in before)
    stack.configure("plan", POMONA_PARTS_EXPIRE_DAYS="0")
    again = stack.succeed(options=options)
    after = written()
    assert before.keys() == after.keys() and all(after[key] > before[key] for key in before)
    assert_same(stack.result(again), stack.result(first))
