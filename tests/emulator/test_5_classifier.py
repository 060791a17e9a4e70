"""Labels are learned by passes: the result is that of a local run, and another input of the state machine."""

import json

from cloud import until
from results import assert_same
from test_2_faults import damage, flipped

CHOICE = {"regularization": 0.05, "seed": 3, "train_share": 0.7, "max_iterations": 6}
OPTIONS = {"components": 5, "shard_size": 5, "classify": CHOICE}
LOCALLY = ["--components", "5", "--shard-size", "5", "--classify", "--regularization", "0.05", "--seed", "3"]
LOCALLY += ["--train-share", "0.7", "--max-iterations", "6"]


def test_a_classifier_is_that_of_a_local_run_and_is_not_fitted_again(stack, forty, local):
    stack.upload(forty)
    report = stack.succeed(options=OPTIONS)
    expected = local(forty, *LOCALLY)
    assert {"classify/metrics.json", "classify/confusion.csv", "classify/model.parquet"} <= set(expected)
    assert_same(stack.result(report), expected)
    methods = {invocation["event"]["group"]["method"] for invocation in stack.invocations("sweep")}
    assert methods == {"covariance", "columns", "classifier"}
    # A run with labels merges no moments.
    assert not any(key.startswith("nodes/") for key in stack.keys(""))
    info = json.loads(stack.read(f"{report['run']}/model_info/model_info.json"))
    assert info["classification"]["test_images"] > 0

    swept = len(stack.invocations("sweep"))
    assert_same(stack.result(stack.succeed(options=OPTIONS)), expected)
    assert len(stack.invocations("sweep")) == swept


def test_a_classifier_of_components_whose_pass_fails_is_that_of_a_local_run(stack, forty, local):
    stack.upload(forty)
    with stack.faults(
        {"function": "sweep", "kind": "crash", "times": 2, "match": '"classifier"'},
        {"function": "reduce", "kind": "lost_answer", "times": 1},
    ):
        report = stack.succeed(options={**OPTIONS, "classify": {**CHOICE, "classify_on": "components"}})
    assert any(invocation["failed"] for invocation in stack.invocations("sweep"))
    assert_same(stack.result(report), local(forty, *LOCALLY, "--classify-on", "components"))


def test_a_redrive_goes_on_within_the_passes_of_a_classifier(stack, forty, local):
    stack.upload(forty)
    # Fits of components and scales have one pass each.
    report, swept = stack.succeed_by_redrive('"pass": 3', options=OPTIONS)
    assert {group["method"] for group in swept} == {"classifier"}
    assert_same(stack.result(report), local(forty, *LOCALLY))


def test_a_part_that_is_damaged_behind_the_fits_is_made_again_and_nothing_of_them_is_left_over(stack, forty, local):
    stack.upload(forty)
    with stack.faults({"function": "project-map", "kind": "hold", "times": 100}):
        execution = stack.start(options=OPTIONS)
        until(lambda: [key for key in stack.keys("runs/") if key.endswith("classify/model.parquet")], "classifier")
        damage(stack, next(key for key in stack.keys("parts/") if key.endswith(".features.parquet")), flipped)
    ended = stack.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert len(stack.plans()) > 1
    assert_same(stack.result(json.loads(ended["output"])), local(forty, *LOCALLY))


def test_labels_that_cannot_be_learned_end_the_run_by_name(stack, forty):
    stack.upload(forty)
    ended = stack.run(options={**OPTIONS, "label_from": "none"})
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
