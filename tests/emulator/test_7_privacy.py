"""Paths and labels stay in S3: what else keeps something of a run has none of them."""

import io
import json
import zipfile

from cloud import FUNCTIONS, STAGES, until
from test_5_command_line import Pomona

# Words that are nowhere but in paths and labels.
LABEL, NAME = "wildrosemark", "mirabellemark"
OPTIONS = {"components": 5, "shard_size": 8}


def marked(images):
    """The images under marked keys, among them some that cannot be used, and an archive of some."""
    contents = [path.read_bytes() for path in images.values()]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        for number, content in enumerate(contents[:5]):
            members.writestr(f"{LABEL} of the archive/{NAME}-{number}.jpg", content)
        members.writestr(f"{LABEL} of the archive/{NAME}-broken.jpg", b"no image")
    return {
        **{f"{LABEL} {number % 3}/{NAME}-{number}.jpg": content for number, content in enumerate(contents)},
        f"{LABEL} 0/{NAME}-empty.jpg": b"",
        f"{LABEL} 1/{NAME}-text.png": b"what is no image",
        f"{LABEL} 1/{NAME}-truncated.jpg": contents[0][:600],
        f"{LABEL} 2/{NAME}-notes.txt": b"beside the images",
        f"{NAME}.zip": archive.getvalue(),
    }


def histories(stack):
    """What Step Functions knows of executions and Maps; the emulator lists no children, but functions are asked by those."""
    told = []
    for execution in stack.executions():
        told.append(stack.sfn.describe_execution(executionArn=execution["executionArn"]))
        told.append(stack.history(execution["executionArn"]))
        runs = stack.sfn.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
        for run in runs:
            told.append(stack.sfn.describe_map_run(mapRunArn=run["mapRunArn"]))
    return told


def test_no_path_and_no_label_is_anywhere_but_in_s3(watching, emulator, forty, tmp_path):
    stack, hear = watching, watching.listen()
    with stack.at_once():
        stack.upload(marked(forty))
    stack.settle(1)
    # One that starts by itself and fails for its images, one that succeeds, one that meets damage.
    [by_itself] = until(stack.executions, "execution")
    refused = stack.wait(by_itself["executionArn"])
    assert refused["error"] == "Pomona.TooManyRejects", refused
    stack.succeed(options={**OPTIONS, "max_reject_share": 0.5})
    part = next(key for key in stack.keys("parts/") if key.endswith(".features.parquet"))
    stack.s3.put_object(Bucket=stack.output, Key=part, Body=b"what a disk left of it")
    stack.succeed(options={**OPTIONS, "max_reject_share": 0.5, "components": 4})
    # They are there to be told: in the results, and in what errors say.
    in_s3 = b"".join(stack.read(key) for key in stack.keys("runs/") if key.endswith((".csv", ".html", ".json")))
    assert LABEL.encode() in in_s3 and NAME.encode() in in_s3
    until(lambda: any("/problems/" in key for key in stack.keys("runs/")), "problem")
    # And images are erased.
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{LABEL} 0/{NAME}-0.jpg\n{LABEL} 2/{NAME}-5.jpg\n")
    started, _ = Pomona(emulator, stack)("erase", stack.outputs["OutputLocation"], "--keys", keys, "--on-aws")
    assert stack.wait(started.strip())["status"] == "SUCCEEDED"
    message = hear()

    invocations = [
        (invocation["answer"], invocation["event"])
        for function in [*STAGES, "erase"]
        for invocation in stack.invocations(function)
    ]
    answers = [invocation["answer"] for invocation in stack.invocations("trigger")]
    logs = [emulator.folder / f"{stack.name}-{function}.log" for function in FUNCTIONS if function != "sweep"]
    kept = {
        "Step Functions": histories(stack),
        "what functions were asked and answered": invocations,
        "what the trigger answered": answers,
        "logs and metrics": [log.read_text() for log in logs],
        "messages": message,
    }
    for where, what in kept.items():
        text = json.dumps(what, default=str)
        assert len(text) > 50, where
        for word in (LABEL, NAME):
            at = text.find(word)
            assert at < 0, f"{where}: {text[max(at - 300, 0) :][:600]}"
