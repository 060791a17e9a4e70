"""The state machine: valid, in step with the Lambdas and the template, and able to be redriven."""

import re
import subprocess

import pytest
from conftest import DEFINITION, WORKSPACE

SERVICE_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    # In a VPC, after weeks without a call.
    "Lambda.ResourceNotReadyException",
    "Lambda.ENINotReadyException",
]
THROTTLED = "Lambda.TooManyRequestsException"
CRASHES = ["Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"]


@pytest.mark.parametrize("children", ["EXPRESS", "STANDARD"])
def test_asl_validator_accepts_the_definition(tmp_path, children):
    text = DEFINITION.read_text().replace("${ChildExecutionType}", children)
    definition = tmp_path / "pipeline.asl.json"
    definition.write_text(re.sub(r"\$\{\w+Arn\}", "arn:aws:lambda:eu-west-1:111111111111:function:one", text))
    validator = WORKSPACE / "tests/static/node_modules/.bin/asl-validator"
    done = subprocess.run(
        [validator, "--json-path", definition], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_fills_every_placeholder(resources):
    [pipeline] = resources("AWS::Serverless::StateMachine").values()
    assert set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text())) == set(pipeline["DefinitionSubstitutions"])


def test_error_names_are_those_of_the_lambdas(error_names):
    used = set(re.findall(r"Pomona\.\w+", DEFINITION.read_text()))
    assert used <= error_names
    assert {"Pomona.Retryable", "Pomona.InputChanged", "Pomona.Damaged"} <= used


def test_only_passing_troubles_are_retried(states):
    for name, state in tasks(states):
        retried = [error for rule in state["Retry"] for error in rule["ErrorEquals"]]
        assert set(retried) == {"Pomona.Retryable", *SERVICE_ERRORS, THROTTLED, *CRASHES, "Lambda.Unknown"}, name
        assert state["Retry"][0]["ErrorEquals"] == [THROTTLED], name


def test_every_retry_backs_off_with_full_jitter(states):
    rules = [rule for state in states.values() for rule in state.get("Retry", [])]
    assert rules
    for rule in rules:
        assert (
            rule["JitterStrategy"] == "FULL"
            and rule["BackoffRate"] > 1
            and rule["MaxDelaySeconds"] <= 60
            and rule["MaxAttempts"] >= 2
        )


def test_every_task_and_the_machine_have_an_end(machine, states):
    assert machine["TimeoutSeconds"] <= 24 * 3600
    assert all(0 < state["TimeoutSeconds"] <= 900 for _, state in tasks(states))


def test_no_map_leads_to_a_state_that_fails(states):
    """A redriven execution goes on where it failed; after Catch and Fail it would only fail again."""
    for name, state in maps(states):
        assert "Catch" not in state, name
    for _, state in maps(states):
        inner = state["ItemProcessor"]["States"]
        for handler in (handler for child in inner.values() for handler in child.get("Catch", [])):
            assert inner[handler["Next"]]["Type"] == "Succeed"


CHECKS = {"Extract": "CheckParts", "Combine": "CheckNodes", "Sweep": "CheckSums", "Project": "CheckTables"}
# What Rebuild leaves out is counted as Extract's, and the step behind Search looks through what that leaves out.
OF_ERASURES = {"Rebuild": "CheckParts", "Search": "IsRemoved"}


def test_what_cannot_be_had_now_is_left_out_of_a_map_and_counted_behind_it(states):
    caught = {name: state["Catch"] for name, state in states.items() if "Catch" in state}
    children = {
        child
        for _, state in maps(states)
        for child, inner in state["ItemProcessor"]["States"].items()
        if "Catch" in inner
    }
    assert children == {"ListBatch", "MergeGroup", "AddUp", "ProjectMap", "LookThrough", "MakePart"}
    for name, [handler] in caught.items():
        changed = ["Pomona.InputChanged"] if name == "ListBatch" else []
        # A file that is damaged is found to be, and no error.
        damaged = ["Pomona.Damaged"] if name != "LookThrough" else []
        throttled = [THROTTLED] if name in children else []
        assert handler["ErrorEquals"] == [*changed, *damaged, *throttled], name
        if name not in children:
            assert (handler["ResultPath"], handler["Next"]) == (None, "IsDamageMendable"), name
    assert set(caught) - children == {*CHECKS.values(), "Reduce", "Report"}
    assert {name: state["Next"] for name, state in maps(states)} == CHECKS | OF_ERASURES


def test_a_check_leads_on_to_a_new_plan_or_back_into_its_map(states):
    for map_name, check in CHECKS.items():
        payload = states[check]["Parameters"]["Payload"]
        assert (payload["task"], payload["stage"]) == ("check", map_name.lower())
        found = states[states[check]["Next"]]
        ways = {choice["Variable"]: choice for choice in found["Choices"]}
        assert list(ways) == ["$.check.missing", "$.check.changed", "$.check.damaged", "$.check.idle"]
        assert (
            ways["$.check.changed"]["Next"] == "IsPlanStillTrue"
            and ways["$.check.damaged"]["Next"] == "IsDamageMendable"
        )
        back = states[ways["$.check.idle"]["Next"]]
        assert (back["Parameters"], back["ResultPath"]) == ({"key.$": "$.left_key"}, "$.items")
        assert back["Next"] == ("WhoExtracts" if map_name == "Extract" else map_name)
        assert states[found["Default"]]["Error"] == THROTTLED
    assert leads(states["WhoExtracts"]) == {"erasing": "Rebuild", None: "Extract"}
    assert leads(states[states["Replan"]["Next"]]) == {"erasing": "EraseRemake", None: "Plan"}
    for name in ("IsPlanStillTrue", "IsDamageMendable"):
        assert states[name]["Choices"] == [{"Variable": "$replans", "NumericLessThan": 3, "Next": "Replan"}]


def test_a_run_of_an_erasure_leads_back_to_it_and_any_other_to_the_end(states):
    assert leads(states[states["Report"]["Next"]]) == {"erasing": "EraseRemove", None: "Done"}
    assert states["Start"]["Assign"]["erasing"] is False and states["KeepErasure"]["Assign"]["erasing"] is True
    [begins] = states["IsErasure"]["Choices"]
    assert begins == {"Variable": "$.erase", "IsPresent": True, "Next": "EraseBegin"}
    assert leads(states["IsRemoved"]) == {"removed": "EraseCertify", None: "EraseRemake"}
    assert states["SearchAgain"]["Assign"] == {"removed": True}


def leads(choice):
    """Where a variable that is true leads, and where one that is not."""
    [rule] = choice["Choices"]
    assert rule["BooleanEquals"] is True
    return {rule["Variable"].removeprefix("$"): rule["Next"], None: choice["Default"]}


def longest_wait(rule):
    """Seconds of all retries of a rule together."""
    steps = [rule["IntervalSeconds"] * rule["BackoffRate"] ** retry for retry in range(rule["MaxAttempts"])]
    return sum(min(step, rule["MaxDelaySeconds"]) for step in steps)


def test_throttling_is_waited_out_for_as_long_as_there_is_time(states, template):
    """A child may be an EXPRESS execution, which ends after 300 seconds: waiting and the call must fit into them."""
    children = {name for _, state in maps(states) for name in state["ItemProcessor"]["States"]}
    call = template["Parameters"]["ListBatchTimeout"]["MaxValue"]
    for name, state in tasks(states):
        wait = longest_wait(state["Retry"][0])
        assert wait + call < 300 if name in children else 3_000 < wait < 4_000, name


def test_every_map_reads_from_s3_and_leaves_its_results_there(states):
    assert [name for name, _ in maps(states)] == ["Extract", "Combine", "Sweep", "Project", "Search", "Rebuild"]
    for name, state in maps(states):
        assert len(state["Label"]) <= 40
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
        # Of variables and intrinsic functions in an ItemReader the guide says nothing.
        assert state["ItemReader"]["Parameters"] == {"Bucket.$": "$.bucket", "Key.$": "$.items.key"}
        assert state["ItemProcessor"]["ProcessorConfig"] == {
            "Mode": "DISTRIBUTED",
            "ExecutionType": "${ChildExecutionType}",
        }
        of_run = (f"States.Format('{{}}/map/{name.lower()}', $.run_prefix)", "$.max_concurrency")
        of_search = ("States.Format('{}/map', $.work_prefix)", "$.erasure.max_concurrency")
        found = (state["ResultWriter"]["Parameters"]["Prefix.$"], state["MaxConcurrencyPath"])
        assert found == (of_search if name == "Search" else of_run)
        assert state["ResultPath"] is None, "results would not fit into the state"


def tasks(states):
    return [(name, state) for name, state in states.items() if state["Type"] == "Task"]


def maps(states):
    return [(name, state) for name, state in states.items() if state["Type"] == "Map"]
