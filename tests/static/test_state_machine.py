"""The state machine: valid, in step with the Lambdas and the template, and able to be redriven."""

import re
import subprocess

import pytest
from conftest import DEFINITION, WORKSPACE

SERVICE_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    # In a VPC, after weeks without a call.
    "Lambda.ResourceNotReadyException",
    "Lambda.ENINotReadyException",
]
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
        assert set(retried) == {"Pomona.Retryable", *SERVICE_ERRORS, *CRASHES, "Lambda.Unknown"}, name


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


def test_changed_input_and_damage_lead_to_a_new_plan(states):
    caught = {name: state["Catch"] for name, state in states.items() if "Catch" in state}
    assert set(caught) == {"ListBatch", "CheckParts", "MergeGroup", "Reduce", "ProjectMap", "Report"}
    for name, [handler] in caught.items():
        changed = ["Pomona.InputChanged"] if name == "ListBatch" else []
        assert handler["ErrorEquals"] == [*changed, "Pomona.Damaged"], name
        if name in ("CheckParts", "Reduce", "Report"):
            assert (handler["ResultPath"], handler["Next"]) == (None, "IsDamageMendable"), name
    assert states["IsDamageMendable"]["Choices"][0]["Next"] == "Replan"


def test_every_map_reads_from_s3_and_leaves_its_results_there(states):
    assert [name for name, _ in maps(states)] == ["Extract", "Combine", "Project"]
    for name, state in maps(states):
        assert len(state["Label"]) <= 40
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
        assert state["ItemProcessor"]["ProcessorConfig"] == {
            "Mode": "DISTRIBUTED",
            "ExecutionType": "${ChildExecutionType}",
        }
        assert state["MaxConcurrencyPath"] == "$.max_concurrency"
        assert (
            state["ResultWriter"]["Parameters"]["Prefix.$"] == f"States.Format('{{}}/map/{name.lower()}', $.run_prefix)"
        )
        assert state["ResultPath"] is None, "results would not fit into the state"


def test_children_fit_into_an_express_execution(states, template):
    """300 seconds, retries included: so a time limit above half of it leaves no room for a second try."""
    for _, state in maps(states):
        assert all(
            child["TimeoutSeconds"] <= 300
            for child in state["ItemProcessor"]["States"].values()
            if child["Type"] == "Task"
        )
    limit = template["Parameters"]["ListBatchTimeout"]
    assert limit["Default"] * 2 < 300 and limit["MaxValue"] == 300


def tasks(states):
    return [(name, state) for name, state in states.items() if state["Type"] == "Task"]


def maps(states):
    return [(name, state) for name, state in states.items() if state["Type"] == "Map"]
