"""What the checks read: the template, the state machine, and the names of errors in the Rust source."""

import json
import re
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

WORKSPACE = Path(__file__).parents[2]
DEFINITION = WORKSPACE / "statemachine/pipeline.asl.json"


@pytest.fixture(scope="session")
def template():
    return cfn_yaml.load(str(WORKSPACE / "infra/template.yaml"))


@pytest.fixture(scope="session")
def resources(template):
    """Resources of one type, by name."""
    return lambda kind: {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


@pytest.fixture(scope="session")
def machine():
    return json.loads(DEFINITION.read_text())


@pytest.fixture(scope="session")
def states(machine):
    """Every state by name, those of the Maps' children included."""
    found = {}

    def collect(node):
        for name, state in node["States"].items():
            assert name not in found, f"two states named {name}"
            found[name] = state
            if state["Type"] == "Map":
                collect(state["ItemProcessor"])

    collect(machine)
    return found


@pytest.fixture(scope="session")
def error_names():
    """The closed set of names under which errors leave a Lambda."""
    source = (WORKSPACE / "shared/run/src/error.rs").read_text()
    names = set(re.findall(r'"(Pomona\.\w+)"', source))
    assert len(names) == int(re.search(r"ALL: \[Self; (\d+)\]", source)[1])
    return names
