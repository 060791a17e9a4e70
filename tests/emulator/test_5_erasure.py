"""Images are erased from every version of every object, whenever the erasure is killed, and later runs leave them out."""

import io
import json
import random
import signal
import subprocess
import time

import cloud
import pyarrow.parquet as pq
import pytest
from results import assert_same
from test_5_command_line import OPTIONS, Pomona

OPTIONS_OF_RUN = {"components": 10, "shard_size": 8}
KILLS = 12


@pytest.fixture
def pomona(emulator, stack):
    return Pomona(emulator, stack)


@pytest.fixture
def erased(stack, forty, tmp_path):
    """Images to be erased of two runs, in a file: some that both had, and one that was replaced between them."""
    stack.upload(forty)
    stack.succeed(options=OPTIONS_OF_RUN)
    keys = sorted(forty)
    stack.upload({keys[1]: forty[keys[2]], keys[5]: forty[keys[6]]})
    stack.succeed(options=OPTIONS_OF_RUN)
    file = tmp_path / "keys.txt"
    file.write_text("\n".join([keys[1], keys[20], keys[39]]) + "\n")
    return file


def versions(stack):
    """All that is kept: key, name and bytes of each version, with marks of deletions, which have none."""
    for page in stack.s3.get_paginator("list_object_versions").paginate(Bucket=stack.output):
        for version in page.get("Versions", []):
            which = {"Key": version["Key"], "VersionId": version["VersionId"]}
            yield which, stack.s3.get_object(Bucket=stack.output, **which)["Body"].read()
        for marker in page.get("DeleteMarkers", []):
            yield {"Key": marker["Key"], "VersionId": marker["VersionId"]}, None


def texts(content):
    """Everything that a file says, whatever it is packed in."""
    if content.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(content))
        columns = [column for column in table.columns if str(column.type) == "string"]
        return {text for column in columns for text in column.to_pylist() if text}
    return set()


def demand_gone(stack, keys):
    for which, content in versions(stack):
        if content is None:
            continue
        for key in keys:
            assert key.encode() not in content and key not in texts(content), which


def rest(forty, keys):
    """What the input holds, but for the images that were erased."""
    in_order = sorted(forty)
    images = {**forty, in_order[1]: forty[in_order[2]], in_order[5]: forty[in_order[6]]}
    return {key: image for key, image in images.items() if key not in keys}


def newest(stack):
    return stack.result({"run": json.loads(stack.read("latest.json"))["folder"]})


def test_images_are_erased_from_every_version_and_stay_away(stack, pomona, erased, forty, local):
    output, keys = stack.outputs["OutputLocation"], erased.read_text().split("\n")[:-1]
    upload = stack.s3.create_multipart_upload(Bucket=stack.output, Key=f"parts/{64 * '0'}.features.parquet")
    before = {which["Key"]: content for which, content in versions(stack)}
    [certificate] = json.loads(pomona("erase", output, "--keys", erased, "--json")[0])
    assert len(certificate["request"]["digests"]) == 3 and certificate["request"]["unlisted"] == 0
    assert certificate["run"] and certificate["examined"]["files"] > 0
    demand_gone(stack, keys)
    assert upload["UploadId"] not in str(stack.s3.list_multipart_uploads(Bucket=stack.output).get("Uploads"))
    gone = {file["file"] for file in certificate["deleted"]}
    left = {which["Key"] for which, _ in versions(stack)}
    assert gone and not {key for key in gone if key.startswith(("parts/", "runs/"))} & left, "marks of deletions, too"
    assert_same(newest(stack), local(rest(forty, keys), *OPTIONS))
    assert "none names them" in pomona("verify-erasure", output)[0]

    # An execution does not bring them back, although somebody has deleted the file that says so first.
    stack.s3.delete_object(Bucket=stack.output, Key="suppressed.json")
    report = stack.succeed(options=OPTIONS_OF_RUN)
    assert report["images"] == 37
    demand_gone(stack, keys)
    assert_same(newest(stack), local(rest(forty, keys), *OPTIONS))
    pomona("verify-erasure", output)

    # Somebody who has a part from before puts it back, and takes it away again: the bucket keeps a version.
    part = next(key for key in gone if key.endswith(".features.parquet"))
    stack.s3.put_object(Bucket=stack.output, Key=part, Body=before[part])
    stack.s3.delete_object(Bucket=stack.output, Key=part)
    printed, said = pomona("verify-erasure", output, code=1)
    assert f"names an erased image: {part} (version " in printed and " 1 file names erased images" in said
    pomona("erase", output)
    demand_gone(stack, keys)
    pomona("verify-erasure", output)


def test_an_erasure_that_is_killed_at_any_time_goes_on(stack, pomona, erased, forty, local):
    output, keys = stack.outputs["OutputLocation"], erased.read_text().split("\n")[:-1]
    seed = random.randrange(10**6)
    dice, began = random.Random(seed), time.monotonic()
    for attempt in range(KILLS):
        process = pomona.begin("erase", output, "--keys", erased)
        try:
            process.communicate(timeout=dice.uniform(0.05, 0.4 + attempt / 4))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        # It is known to be gone here; elsewhere its lock is over after a minute and a half.
        stack.s3.delete_object(Bucket=stack.output, Key="lock.json")
    cloud.until(lambda: "lock.json" not in stack.keys(), "no lock")
    printed, _ = pomona("erase", output, "--keys", erased)
    assert "certificate erasures/" in printed, f"seed {seed}, {time.monotonic() - began:.0f} s"
    demand_gone(stack, keys)
    assert_same(newest(stack), local(rest(forty, keys), *OPTIONS))
    pomona("verify-erasure", output)


def test_an_execution_that_has_failed_holds_nobody_off(stack, pomona, erased):
    defect = {"errorType": "Pomona.Internal", "errorMessage": "internal error: in a shard; please report it"}
    with stack.faults({"function": "project-map", "kind": "error", "answer": defect, "times": 100}):
        assert stack.run(options={**OPTIONS_OF_RUN, "components": 3})["status"] == "FAILED"
    assert "lock.json" in stack.keys()
    printed, _ = pomona("erase", stack.outputs["OutputLocation"], "--keys", erased)
    assert "certificate erasures/" in printed and "lock.json" not in stack.keys()
    with stack.faults({"function": "project-map", "kind": "error", "answer": defect, "times": 100}):
        assert stack.run(options={**OPTIONS_OF_RUN, "components": 3})["status"] == "FAILED"
    # Whoever asks finds a lock of nobody, and the execution does, too.
    held = stack.read("lock.json")
    stack.s3.delete_object(Bucket=stack.output, Key="lock.json")
    with stack.faults({"function": "erase", "kind": "hold", "times": 1}):
        started, _ = pomona("erase", stack.outputs["OutputLocation"], "--keys", erased, "--on-aws")
        stack.s3.put_object(Bucket=stack.output, Key="lock.json", Body=held)
    assert stack.wait(started.strip())["status"] == "SUCCEEDED"


def erase_on_aws(stack, pomona, *arguments):
    """What the execution answers, which `pomona erase` starts."""
    printed, _ = pomona("erase", stack.outputs["OutputLocation"], *arguments, "--on-aws")
    ended = stack.wait(printed.strip())
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    return printed.strip(), json.loads(ended["output"])


def test_the_state_machine_erases_what_was_asked_for(stack, pomona, erased, forty, local):
    keys = erased.read_text().split("\n")[:-1]
    upload = stack.s3.create_multipart_upload(Bucket=stack.output, Key=f"parts/{64 * '0'}.features.parquet")
    execution, answer = erase_on_aws(stack, pomona, "--keys", erased)
    assert upload["UploadId"] not in str(stack.s3.list_multipart_uploads(Bucket=stack.output).get("Uploads"))
    assert answer["images"] == 3 and answer["deleted"] > 0 and answer["run"] and len(answer["certificates"]) == 1
    demand_gone(stack, keys)
    assert_same(newest(stack), local(rest(forty, keys), *OPTIONS))
    assert "none names them" in pomona("verify-erasure", stack.outputs["OutputLocation"])[0]
    assert not [key for key in stack.keys() if "/work/" in key or key == "lock.json"]
    asked = [invocation["event"]["task"] for invocation in stack.invocations("erase")]
    assert set(asked) == {"begin", "search", "remake", "part", "remove", "certify"}
    said = json.dumps([stack.history(execution), stack.invocations("erase")], default=str)
    assert not [key for key in keys if key in said], "what was asked lies at the output alone"
    printed, _ = pomona("watch", execution.split(":")[-1])
    assert "succeeded" in printed and "3 images" in printed and answer["certificates"][0] in printed

    # Nobody takes it for a run, and a run takes nothing back.
    assert stack.succeed(options=OPTIONS_OF_RUN)["images"] == 37
    demand_gone(stack, keys)
    # Where nothing is asked for, all that was erased is looked for once more.
    _, answer = erase_on_aws(stack, pomona)
    assert (answer["images"], answer["run"]) == (3, None)


def test_the_state_machine_goes_on_wherever_a_call_was_ended(stack, pomona, erased, forty, local):
    keys = erased.read_text().split("\n")[:-1]
    tasks = ["begin", "search", "remake", "part", "remove", "certify"]
    crashes = [
        {"function": "erase", "kind": "crash", "times": 1, "match": f'"task": "{task}"'} for task in tasks
    ]
    with stack.faults(*crashes):
        erase_on_aws(stack, pomona, "--keys", erased)
    failed = [invocation["event"]["task"] for invocation in stack.invocations("erase") if invocation["failed"]]
    assert sorted(failed) == sorted(tasks)
    demand_gone(stack, keys)
    assert_same(newest(stack), local(rest(forty, keys), *OPTIONS))
    pomona("verify-erasure", stack.outputs["OutputLocation"])
