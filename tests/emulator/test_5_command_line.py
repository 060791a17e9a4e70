"""The command line starts runs on AWS, follows them, tells why one failed, reads their results, and knows whether an account is ready."""

import json
import re
import signal
import subprocess

import cloud
import pytest
from results import assert_same

OPTIONS = ["--components", "10", "--shard-size", "8"]


class Pomona:
    """The program, as a user of the stack runs it."""

    def __init__(self, emulator, stack):
        self.environment = {**emulator.environment, "POMONA_STACK": stack.name, "AWS_EC2_METADATA_DISABLED": "true"}

    def begin(self, *arguments, **environment):
        command = [cloud.binaries() / "pomona", *arguments]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**self.environment, **environment}
        )

    def __call__(self, *arguments, code=0, **environment):
        """What it prints, and what it says beside that, when it ends with that exit code."""
        process = self.begin(*arguments, **environment)
        printed, said = process.communicate(timeout=300)
        assert process.returncode == code, f"{arguments}: {process.returncode}: {printed}{said}"
        return printed, said


@pytest.fixture
def pomona(emulator, stack):
    return Pomona(emulator, stack)


@pytest.fixture(scope="module")
def idle(emulator):
    """The program for a stack that never runs."""
    return Pomona(emulator, emulator.deploy("pomona-idle"))


def test_a_run_is_started_watched_and_inspected(stack, pomona, forty, local):
    stack.upload(forty)
    places = [stack.outputs["InputLocation"], stack.outputs["OutputLocation"]]
    printed, said = pomona("start", *places, *OPTIONS, "--max-concurrency", "2")
    execution = printed.strip()
    assert "pomona watch" in said and f"--stack {stack.name}" in said
    asked = json.loads(stack.sfn.describe_execution(executionArn=execution)["input"])
    assert (asked["options"]["components"], asked["options"]["shard_size"], asked["max_concurrency"]) == (10, 8, 2)

    printed, _ = pomona("watch")
    assert "succeeded" in printed and "40, of which 0 could not be used" in printed
    status = json.loads(pomona("status", execution.split(":")[-1], "--json")[0])
    assert (status["execution"], status["state"], status["stage"], status["failure"]) == (
        execution,
        "SUCCEEDED",
        "report",
        None,
    )
    counts = [
        (map_run["stage"], map_run["succeeded"], map_run["total"], map_run["failed"]) for map_run in status["map_runs"]
    ]
    assert counts == [("extract", 4, 4, 0), ("project", 4, 4, 0)]
    report = status["report"]
    assert status["results"] == f"s3://{stack.output}/{report['run']}"

    inspected = json.loads(pomona("inspect", places[1], "--json")[0])
    assert (inspected["plan"]["run_id"], inspected["info"]["num_images_listed"]) == (status["run_id"], 40)
    assert_same(stack.result(report), local(forty, *OPTIONS))


def test_a_failed_run_says_why_and_what_to_do(stack, pomona):
    pomona("start")  # the stack's own input, which is empty
    printed, said = pomona("watch", code=1)
    for part in ["failed", "Pomona.NoImages", f"no images at `s3://{stack.input}", "check `input`"]:
        assert part in printed
    assert "did not succeed" in said
    assert "Pomona.NoImages" in pomona("status")[0]


def test_ctrl_c_leaves_the_run_going(stack, pomona, forty):
    stack.upload(forty)
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        execution = pomona("start", *OPTIONS, "--max-concurrency", "2")[0].strip()
        watching = pomona.begin("watch")
        assert any(line.startswith("extract") for line in watching.stderr)
        watching.send_signal(signal.SIGINT)
        assert "the run goes on" in watching.communicate(timeout=60)[1]
        assert watching.returncode == 130
        status = json.loads(pomona("status", "--json")[0])
        assert (status["state"], status["stage"], status["ended"]) == ("RUNNING", "extract", None)
    assert stack.wait(execution)["status"] == "SUCCEEDED"


def test_a_run_that_is_stopped_leaves_the_output_to_the_next_one(stack, pomona, forty):
    stack.upload(forty)
    with stack.faults({"function": "list-batch", "kind": "hold", "times": 100}):
        execution = pomona("start", *OPTIONS, "--max-concurrency", "2")[0].strip()
        name = execution.split(":")[-1]
        cloud.until(lambda: "lock.json" in stack.keys(), "lock")
        assert "still running" in pomona("redrive", name, code=1)[1]
        stopped = json.loads(pomona("stop", name, "--json")[0])
        assert stopped["execution"] == execution
        assert stack.wait(execution)["status"] == "ABORTED"
        other = pomona("start", *OPTIONS)[0].strip().split(":")[-1]
        said = pomona("redrive", name, code=1)[1]
        assert f"`{other}` is going" in said and f"pomona stop {other}" in said
        # A Lambda works on when its execution is stopped: one that takes the lock meanwhile is a case of its own.
        cloud.until(lambda: other in stack.read("lock.json").decode(), "the other run's lock")
        pomona("stop", other)
    assert "stopped by somebody" in pomona("status", name)[0]
    assert "nothing to stop" in pomona("stop", name, code=1)[1]
    assert "lock.json" in stack.keys()
    report = stack.succeed(options={"components": 10, "shard_size": 8})
    said = pomona("redrive", stack.executions()[-1]["name"], code=1)[1]
    assert report["images"] == 40 and "it succeeded" in said


def test_the_doctor_knows_what_is_there_and_what_is_not(idle, stack, pomona, forty):
    printed, _ = idle("doctor", code=1)
    found = dict(re.findall(r"^(?:good|poor|bad|unknown) +(\w+) +(.*)", printed, re.MULTILINE))
    assert found["region"] == "eu-west-1" and found["stack"].endswith(":stateMachine:pomona-idle")
    # Fewer than the stack's 64.
    assert re.search(r"^bad +concurrency +10 of 10", printed, re.MULTILINE) and "MaxConcurrency=10" in printed
    assert "plan has 1769 MB, list-batch has 1769 MB" in found["memory"]
    assert "built for x86_64" in found["lambdas"] and "no image yet" in found["images"]
    assert "Step Functions" in found["network"]
    stack.upload(forty)
    stack.configure("plan", POMONA_MAX_CONCURRENCY="10")
    printed, _ = pomona("doctor")
    assert re.search(r"^good +images +plan can read", printed, re.MULTILINE)
    assert re.search(r"^good +output +plan can list, write", printed, re.MULTILINE)
    assert not any(key.startswith("nodes/doctor") for key in stack.keys())
    printed, _ = idle("doctor", "--stack", "nowhere", code=1)
    assert re.search(r"^bad +stack +.*`nowhere`", printed, re.MULTILINE)


def test_the_doctor_knows_whether_each_image_is_a_call_of_kms(stack, pomona):
    def encrypt(bucket_key):  # not as in the template, of which the emulator forgets the bucket key
        default = {"SSEAlgorithm": "aws:kms"}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
        stack.s3.put_bucket_encryption(Bucket=stack.input, ServerSideEncryptionConfiguration={"Rules": [rule]})

    stack.configure("plan", POMONA_MAX_CONCURRENCY="10")
    found = {False: "poor +encryption .* 3.00 USD", True: "good +encryption .*does not call KMS"}
    for bucket_key, expected in found.items():
        encrypt(bucket_key)
        printed, _ = pomona("doctor")
        assert re.search(expected, printed), printed


def test_without_credentials_the_doctor_says_how_to_get_some(idle, tmp_path):
    printed, _ = idle("doctor", code=1, HOME=str(tmp_path), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert re.search(r"^bad +credentials +.*AWS_PROFILE", printed, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments, environment, named",
    [
        (["start", "--stack", "nowhere"], {}, "`nowhere`"),
        (["status"], {}, "no executions yet"),
        (["status", "tuesday"], {}, "tuesday"),
        (["stop", "tuesday"], {}, "tuesday"),
        (["redrive", "tuesday"], {}, "tuesday"),
        (["start"], {"AWS_REGION": "us-east-1"}, "us-east-1"),
        (["start", "--shard-size", "0"], {}, "shard-size"),
        (["start", "s3://images", "s3://images/results"], {}, "s3://images/results"),
        (["inspect", "s3://nowhere-at-all"], {}, "nowhere-at-all"),
    ],
)
def test_what_cannot_work_is_refused_by_name(idle, arguments, environment, named):
    assert named in idle(*arguments, code=1, **environment)[1]


def test_start_wants_places_in_s3(idle):
    assert "s3://bucket/prefix" in idle("start", "photos", code=2)[1]
