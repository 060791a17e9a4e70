"""Components of a wide layer are fitted by passes: the result is that of a local run, whatever goes wrong on the way."""

import json

import cloud
import pytest
from cloud import until
from results import assert_same
from test_2_faults import damage, flipped

OPTIONS = {"components": 5, "shard_size": 5}
LOCALLY = ["--layer", "Conv_1", "--components", "5", "--shard-size", "5"]
THROTTLED = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}


@pytest.fixture(scope="session")
def wide_model(built, tmp_path_factory):
    """The same network, and the recipe of its last feature map."""
    return cloud.make_model(tmp_path_factory.mktemp("wide-model"), "--layer", "Conv_1")


@pytest.fixture
def wide(stack, wide_model, forty):
    """A stack for that layer, with images."""
    for function in ("plan", "list-batch"):
        stack.configure(function, POMONA_MODEL=str(wide_model))
    stack.upload(forty)
    return stack


def passes(stack):
    """The passes that were gone through, by fit and number."""
    groups = [invocation["event"]["group"] for invocation in stack.invocations("sweep")]
    return {(group["fit"], group["pass"]) for group in groups}


def test_passes_have_the_result_of_a_local_run_and_are_not_made_again(wide, forty, local):
    report = wide.succeed(options=OPTIONS)
    expected = local(forty, *LOCALLY)
    assert_same(wide.result(report), expected)
    assert not any("/features/" in key for key in wide.keys(f"{report['run']}/"))
    info = json.loads(wide.read(f"{report['run']}/model_info/model_info.json"))
    # One more for the features' means.
    assert len(passes(wide)) == info["convergence"]["passes"] + 1
    assert len({group for group in (each["event"]["group"]["group"] for each in wide.invocations("sweep"))}) > 1
    timings = wide.read(f"{report['run']}/report/timings.csv").decode()
    assert "\nsweep," in timings
    cost = json.loads(wide.read(f"{report['run']}/report/cost.json"))
    assert cost["measured"]["workload"]["passes"] == info["convergence"]["passes"]

    swept = len(wide.invocations("sweep"))
    assert_same(wide.result(wide.succeed(options=OPTIONS)), expected)
    assert len(wide.invocations("sweep")) == swept


@pytest.mark.parametrize("kind", ["crash", "lost_answer", "twice"])
def test_a_fault_in_a_pass_changes_nothing(wide, forty, local, kind):
    with wide.faults(
        {"function": "sweep", "kind": kind, "times": 1, "match": '"pass": 2'},
        {"function": "reduce", "kind": kind, "times": 1},
    ):
        report = wide.succeed(options=OPTIONS)
    if kind != "twice":
        assert any(invocation["failed"] for invocation in wide.invocations("sweep"))
    assert_same(wide.result(report), local(forty, *LOCALLY))


def test_a_group_that_fails_in_the_third_pass_fails_the_run_and_the_next_one_goes_on_there(wide, forty, local):
    defect = {"errorType": "Pomona.Internal", "errorMessage": "internal error: the third pass; please report it"}
    with wide.faults({"function": "sweep", "kind": "error", "answer": defect, "times": 100, "match": '"pass": 2'}):
        ended = wide.run(options=OPTIONS)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert {number for _, number in passes(wide)} >= {0, 1}
    report = wide.succeed(options=OPTIONS)
    # The passes before it were not made again.
    made = [invocation["event"]["group"] for invocation in wide.invocations("sweep") if not invocation["failed"]]
    groups = [(group["fit"], group["pass"], group["group"]) for group in made if group["pass"] < 2]
    assert len(groups) == len(set(groups))
    assert_same(wide.result(report), local(forty, *LOCALLY))


def test_a_redrive_goes_on_with_the_pass_that_failed_and_plans_nothing(wide, forty, local):
    report, swept = wide.succeed_by_redrive('"pass": 2', options=OPTIONS)
    assert all(group["pass"] >= 2 for group in swept)
    assert_same(wide.result(report), local(forty, *LOCALLY))


def test_groups_that_no_lambda_is_free_for_are_left_out_and_made_when_one_is(wide, forty, local):
    with wide.faults(
        {"function": "sweep", "kind": "error", "answer": THROTTLED, "times": 30, "match": '"pass": 1'},
    ):
        report = wide.succeed(options=OPTIONS)
    assert len(wide.plans()) == 1, "throttling is no reason to plan anew"
    assert_same(wide.result(report), local(forty, *LOCALLY))


def test_a_part_and_a_state_that_are_damaged_between_passes_are_made_again(wide, forty, local):
    with wide.faults({"function": "sweep", "kind": "hold", "times": 100, "match": '"pass": 1'}):
        execution = wide.start(options=OPTIONS)
        [state] = until(lambda: [key for key in wide.keys("sweeps/") if key.endswith("/001/state")], "second pass")
        damage(wide, state, flipped)
        part = next(key for key in wide.keys("parts/") if key.endswith(".features.parquet"))
        damage(wide, part, flipped)
    ended = wide.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert len(wide.plans()) > 1
    assert_same(wide.result(json.loads(ended["output"])), local(forty, *LOCALLY))


def test_a_part_that_is_damaged_before_the_first_pass_is_made_again(wide, forty, local):
    with wide.faults({"function": "sweep", "kind": "hold", "times": 100, "match": '"columns"'}):
        execution = wide.start(options=OPTIONS)
        until(lambda: [key for key in wide.keys("sweeps/") if key.endswith("/state")], "first pass")
        part = next(key for key in wide.keys("parts/") if key.endswith(".features.parquet"))
        damage(wide, part, flipped)
    ended = wide.wait(execution)
    assert ended["status"] == "SUCCEEDED", f"{ended.get('error')}: {ended.get('cause')}"
    assert_same(wide.result(json.loads(ended["output"])), local(forty, *LOCALLY))
