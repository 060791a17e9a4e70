"""The models of an earlier run are taken for other images: the result is that of `pomona apply` on one machine."""

import json

import cloud
from results import assert_same, in_folder, local_run
from test_5_command_line import Pomona

OPTIONS = {"shard_size": 5}
FITTING = {**OPTIONS, "components": 5, "classify": {"regularization": 0.05, "max_iterations": 6}}
LOCALLY = ["--shard-size", "5"]
FITTING_LOCALLY = [*LOCALLY, "--components", "5", "--classify", "--regularization", "0.05", "--max-iterations", "6"]


def without_run(result):
    """A result without the name of the run whose models it took."""
    info = {**result["model_info/model_info.json"]}
    assert info.pop("models_of")
    return {**result, "model_info/model_info.json": info}


def test_models_of_an_earlier_run_are_taken_and_nothing_is_fitted(emulator, stack, forty, model, tmp_path):
    images = dict(list(forty.items())[:30])
    stack.upload(images)
    fitted = stack.succeed(options=FITTING)["run"].split("/")[-1]
    stack.upload(forty)
    before = len(stack.invocations("sweep"))
    report = stack.succeed(options=OPTIONS, model=fitted)
    assert len(stack.invocations("sweep")) == before
    assert not any(invocation["event"]["task"] == "combine" for invocation in stack.invocations("reduce"))
    taken = without_run(stack.result(report))
    assert json.loads(stack.read("latest.json"))["run_id"] == report["run"].split("/")[-1]

    pomona = Pomona(emulator, stack)
    local_run(cloud.binaries() / "pomona", model, images, tmp_path, *FITTING_LOCALLY)
    for place, results in [("here", tmp_path / "out"), ("from s3", f"s3://{stack.output}/runs/{fitted}")]:
        output = tmp_path / place
        pomona("apply", results, f"s3://{stack.input}", output, "--model", model, *LOCALLY)
        assert_same(taken, without_run(in_folder(output)))

    # From S3 to S3, of the newest run, which took the models itself.
    places = [f"s3://{place}" for place in (stack.output, stack.input, f"{stack.output}/applied")]
    pomona("apply", *places, "--model", model, *LOCALLY)
    folder = "applied/" + json.loads(stack.read("applied/latest.json"))["folder"]
    assert_same(without_run(stack.result({"run": folder})), taken)


def test_an_applied_run_that_fails_between_its_stages_goes_on(stack, forty):
    stack.upload(forty)
    fitted = stack.succeed(options=FITTING)["run"].split("/")[-1]
    expected = without_run(stack.result(stack.succeed(options=OPTIONS, model=fitted)))
    with stack.faults(
        {"function": "plan", "kind": "crash", "times": 1},
        {"function": "reduce", "kind": "lost_answer", "times": 1},
        {"function": "project-map", "kind": "crash", "times": 2},
    ):
        report = stack.succeed(options=OPTIONS, model=fitted)
    assert_same(without_run(stack.result(report)), expected)


def test_a_model_that_is_not_there_and_choices_that_are_the_models_end_the_run_by_name(stack, forty):
    stack.upload(forty)
    ended = stack.run(options=OPTIONS, model="20260131T120000Z-0123abcd")
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
    assert "no successful run `20260131T120000Z-0123abcd`" in stack.problem(ended)
    fitted = stack.succeed(options=FITTING)["run"].split("/")[-1]
    ended = stack.run(options={"components": 3}, model=fitted)
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
    assert "option `components`" in stack.problem(ended)


def test_the_command_line_starts_a_run_with_the_models_of_another(emulator, stack, forty):
    stack.upload(forty)
    pomona = Pomona(emulator, stack)
    fitted = stack.succeed(options=FITTING)["run"].split("/")[-1]
    _, said = pomona("start", "--model", fitted, "--standardize", code=1)
    assert "option `standardize`" in said
    pomona("start", "--model", fitted, *LOCALLY)
    printed, _ = pomona("watch")
    assert "succeeded" in printed
    inspected = json.loads(pomona("inspect", stack.outputs["OutputLocation"], "--json")[0])
    assert inspected["info"]["models_of"] == fitted
