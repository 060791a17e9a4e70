"""A run on the state machine has the result of a local run, byte for byte."""

import json
import subprocess

import cloud
from results import assert_same

OPTIONS = {"components": 20}
LOCALLY = ["--components", "20"]


def test_300_images_have_the_result_of_a_local_run_and_a_second_run_computes_nothing(
    stack, emulator, three_hundred, local
):
    stack.upload(three_hundred)
    hear = stack.listen()
    request = {
        "input": stack.outputs["InputLocation"],
        "output": stack.outputs["OutputLocation"],
        "options": {"shard_size": 75},
        "max_concurrency": 2,
    }
    started = emulator.aws(
        "stepfunctions",
        "start-execution",
        "--state-machine-arn",
        stack.outputs["StateMachineArn"],
        "--input",
        json.dumps(request),
    )
    ended = stack.wait(started["executionArn"])
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    report = json.loads(ended["output"])
    assert (report["images"], report["rejects"]) == (300, 0)
    assert_same(stack.result(report), local(three_hundred, "--shard-size", "75"))
    assert f"{report['run']}/_SUCCESS" in stack.keys()
    assert json.loads(stack.read("latest.json"))["folder"] == report["run"]
    assert "lock.json" not in stack.keys()
    assert "succeeded" in hear()

    extractions = len(stack.invocations("list-batch"))
    assert extractions == 4
    again = stack.succeed(options={"shard_size": 75})
    assert again["run"] != report["run"]
    assert len(stack.invocations("list-batch")) == extractions
    assert_same(stack.result(again), stack.result(report))


def test_more_than_64_shards_go_through_combine(stack, three_hundred, local):
    stack.upload(three_hundred)
    execution = stack.start(options={"shard_size": 2})
    ended = stack.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    groups = [
        invocation["event"]["group"] for invocation in stack.invocations("reduce") if "group" in invocation["event"]
    ]
    assert len(groups) == 2 and max(len(group["children"]) for group in groups) == 64
    assert_same(stack.result(json.loads(ended["output"])), local(three_hundred, "--shard-size", "2"))
    # However many shards there are, the state holds names and counters only.
    assert max(len(json.dumps(event, default=str)) for event in stack.history(execution)) < 8192


def test_a_run_says_what_it_cost_and_models_the_requests_that_were_made(stack, emulator, three_hundred):
    stack.upload(three_hundred)
    report = stack.succeed(options={"shard_size": 75})
    cost = json.loads(stack.read(f"{report['run']}/report/cost.json"))
    measured = cost["measured"]
    assert measured["new"] == {"shards": 4, "images": 300}
    assert [(each["stage"], each["children"]) for each in measured["maps"]] == [("extract", 4), ("project", 4)]
    assert all(0 < each["seconds"] for each in measured["maps"])
    assert cost["bill"]["run_usd"] > 0 and len(cost["extrapolated"]) == 5
    made = [
        call["action"]
        for call in emulator.control("calls")
        if call["caller"].startswith(f"{stack.name}-")
        or (call["caller"] == "state-machine" and f":{stack.output}/" in call["resource"])
    ]
    # The copy of a shard's features is recorded as reading and writing, and billed as writing.
    counted = {
        "gets": made.count("s3:GetObject") - 4,
        "puts": made.count("s3:PutObject"),
        "lists": made.count("s3:ListBucket"),
    }
    print(f"requests: made {counted}, modelled {cost['usage']['requests']}")
    assert all(abs(cost["usage"]["requests"][kind] - count) <= 4 + 0.02 * count for kind, count in counted.items()), (
        counted
    )

    # What it took says what a million images would.
    command = [
        cloud.binaries() / "pomona",
        "cost",
        "--images",
        "1000000",
        "--like",
        stack.outputs["OutputLocation"],
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=emulator.environment)
    assert done.returncode == 0, done.stderr
    rows = {row["images"]: row for row in json.loads(done.stdout)}
    assert rows[1_000_000]["run_usd"] > rows[20_000]["run_usd"] > cost["bill"]["run_usd"]


def test_older_runs_beyond_those_that_are_kept_lose_their_tables_and_nothing_else(emulator, forty, local):
    stack = emulator.deploy("pomona-keeping", KeepRuns=1)
    stack.upload(forty)
    options = {**OPTIONS, "classify": {"max_iterations": 2}}
    older = stack.succeed(options=options)
    whole = {key.removeprefix(f"{older['run']}/") for key in stack.keys(f"{older['run']}/")}
    [first, second, *_] = forty
    images = {**forty, first: forty[second]}
    stack.upload(images)
    newer = stack.succeed(options=options)
    assert [each["answer"]["computed"] for each in stack.invocations("list-batch")] == [40, 1]
    assert_same(stack.result(newer), local(images, *LOCALLY, "--classify", "--max-iterations", "2"))

    left = {key.removeprefix(f"{older['run']}/") for key in stack.keys(f"{older['run']}/")}
    tables = {name for name in whole if name.startswith(("features/", "pca/", "metadata/", "classify/predictions/"))}
    assert len(tables) == 5 and left == whole - tables - {"_SUCCESS"} | {"_TABLES_REMOVED"}
    command = [cloud.binaries() / "pomona", "inspect", f"s3://{stack.output}/{older['run']}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=emulator.environment)
    assert done.returncode == 1 and "KeepRuns" in done.stderr and newer["run"].split("/")[1] in done.stderr


def test_three_images_have_the_result_of_a_local_run(stack, forty, local):
    # So few because tests/arm64 runs it with an emulated list-batch.
    three = dict(list(forty.items())[:3])
    stack.upload(three)
    report = stack.succeed(options={"components": 2})
    assert_same(stack.result(report), local(three, "--components", "2"))


def test_a_poisoned_image_is_a_reject_and_stops_nothing(stack, forty, local):
    whole = next(path for path in forty.values() if path.suffix == ".jpg").read_bytes()
    images = {
        **forty,
        "Pear/cut, off.jpg": whole[: len(whole) // 2],
        "Pear/nothing.png": b"",
        "Pear/not+an%20image.jpg": b"text",
    }
    stack.upload(images)
    report = stack.succeed(options={**OPTIONS, "max_reject_share": 0.1})
    assert (report["images"], report["rejects"]) == (43, 3)
    result = stack.result(report)
    assert_same(result, local(images, *LOCALLY, "--max-reject-share", "0.1"))
    errors = b"".join(content for name, content in result.items() if name.startswith("errors/")).decode()
    assert '"Pear/cut, off.jpg"' in errors and "Pear/nothing.png" in errors and "Pear/not+an%20image.jpg" in errors


def test_every_function_stays_below_its_memory(emulator):
    """Of what has run so far; the emulator ends an invocation that needs more, as AWS does."""
    peaks = {}
    for invocation in emulator.control("invocations"):
        function = invocation["function"].split("-", 2)[2]
        peaks[function] = max(peaks.get(function, (0, 0)), (invocation["peak_mb"], invocation["memory_mb"]))
    print("".join(f"\n{function}: at most {peak} of {memory} MB" for function, (peak, memory) in sorted(peaks.items())))
    assert set(peaks) == {"plan", "list-batch", "sweep", "reduce", "project-map", "report"}
    assert all(0 < peak < memory for peak, memory in peaks.values())
