"""What cannot work is refused at once, with a message that names it."""

import os
import subprocess

import cloud
import pytest


@pytest.mark.parametrize(
    "request_, named",
    [
        ({"optoins": {}}, "optoins"),
        ({"options": {"componets": 3}}, "componets"),
        ({"options": {"shard_size": 0}}, "shard-size"),
        ({"options": {"components": "many"}}, "components"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"input": "images"}, "images"),
    ],
)
def test_a_wrong_field_is_named(refusing, request_, named):
    ended = refusing.run(**request_)
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
    assert named in refusing.problem(ended)


def test_an_output_inside_the_input_is_refused(refusing):
    before = refusing.keys()
    ended = refusing.run(input=f"s3://{refusing.output}/images", output=f"s3://{refusing.output}/images/results")
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
    # What the error says, neither: it would lie below the input.
    assert refusing.keys() == before


def test_an_empty_input_is_said_to_be_empty(refusing):
    ended = refusing.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.NoImages")
    assert "lock.json" not in refusing.keys()


def test_too_many_rejects_fail_the_run_and_are_named(stack):
    stack.upload({f"a/{number}.jpg": b"no image" for number in range(3)})
    ended = stack.run(options={"components": 1})
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.TooManyRejects")
    assert "`a/0.jpg` (unsupported" in stack.problem(ended)
    [errors] = [key for key in stack.keys() if "/errors/" in key]
    assert stack.read(errors).count(b"unsupported") == 3
    [page] = [key for key in stack.keys() if key.endswith("/report/report.html")]
    assert b"The run failed" in stack.read(page)


@pytest.fixture(scope="module")
def refusing(emulator):
    """A stack with an empty input."""
    return emulator.deploy("pomona-refusing")


@pytest.fixture(scope="module")
def elsewhere(emulator):
    """The stack in a region that is not allowed (the emulator knows no Rules)."""
    return emulator.deploy("pomona-elsewhere", region="us-east-1")


def test_lambdas_refuse_another_region(elsewhere, forty):
    elsewhere.upload(forty)
    ended = elsewhere.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.RegionNotAllowed")
    assert "us-east-1" in ended["cause"]
    assert elsewhere.keys() == []


def test_the_command_line_refuses_another_region(elsewhere, emulator, model):
    command = [
        cloud.binaries() / "pomona",
        "run",
        elsewhere.outputs["InputLocation"],
        elsewhere.outputs["OutputLocation"],
        "--model",
        model,
    ]
    environment = {**os.environ, **emulator.environment, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode != 0
    assert "us-east-1" in done.stderr
    assert elsewhere.keys() == []


def test_the_command_line_runs_on_buckets(stack, emulator, model, forty):
    stack.upload(forty)
    command = [
        cloud.binaries() / "pomona",
        "run",
        stack.outputs["InputLocation"],
        stack.outputs["OutputLocation"],
        "--components",
        "10",
        "--model",
        model,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=emulator.environment)
    assert done.returncode == 0, done.stderr
    # What it has computed, an execution does not compute again.
    stack.succeed(options={"components": 10})
    assert stack.invocations("list-batch") == []
