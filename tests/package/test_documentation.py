"""What documentation says of the package: examples that run, types that hold."""

import doctest
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import pomona
from pomona import _extractor, _run

PUBLIC = [getattr(pomona, name) for name in pomona.__all__]


@pytest.mark.parametrize("module", [_run, _extractor], ids=["run", "extractor"])
def test_examples_in_docstrings_run(module, examples, tmp_path):
    names = examples | {"pomona": pomona, "results": tmp_path / "results"}
    pomona.run(examples["images"], names["results"], components=4, untrained=True, progress=False)
    failed, attempted = doctest.testmod(module, extraglobs=names)
    assert failed == 0 and attempted >= (20 if module is _run else 12)


def test_examples_of_what_is_compiled_run(examples):
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(pomona.Table, "Table", globs=examples | {"pomona": pomona}):
        runner.run(test)
    assert (runner.failures, runner.tries) == (0, 1)


def members(thing):
    yield thing.__name__, thing
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            if not name.startswith("_") and (callable(member) or inspect.isdatadescriptor(member)):
                yield f"{thing.__name__}.{name}", member


DOCUMENTED = [pair for thing in PUBLIC if inspect.isroutine(thing) or inspect.isclass(thing) for pair in members(thing)]


@pytest.mark.parametrize(("name", "thing"), DOCUMENTED)
def test_everything_public_is_documented(name, thing):
    text = inspect.getdoc(thing)
    assert text, name
    if inspect.isfunction(thing):
        parameters = [parameter for parameter in inspect.signature(thing).parameters if parameter != "self"]
        for parameter in parameters:
            assert parameter in text, (name, parameter)
        assert not parameters or "Parameters\n----------" in text
        assert thing.__annotations__.get("return") in (None, "None") or "Returns\n-------" in text, name


def test_types_are_strict():
    examples = sorted(Path("examples").glob("*.py"))
    assert examples
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version=3.10", "--package=pomona"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    command = [sys.executable, "-m", "mypy", "--strict", *examples]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="types that Python 3.10 has not")
def test_types_can_be_asked_for():
    for thing in (pomona.run, pomona.open, pomona.Run.search, pomona.Extractor.__init__, pomona.Extractor.features):
        assert len(typing.get_type_hints(thing)) > 2


WRONG = """
import pomona
pomona.run("a", "b", components="many")
pomona.run("a", "b", colour="red")
pomona.Extractor().features([], errors="ignore")
reveal_type(pomona.open("b").features().matrix())
reveal_type(pomona.open("b").search("a.png")[0].distance)
"""


def test_wrong_calls_are_seen_by_mypy(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    said = subprocess.run([sys.executable, "-m", "mypy", "--strict", file], capture_output=True, text=True).stdout
    lines = [line for line in said.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [3, 4, 5], said
    assert "ndarray" in said and "_32Bit" in said and 'Revealed type is "float"' in said


def test_stubs_have_what_the_compiled_part_has():
    command = [sys.executable, "-m", "mypy.stubtest", "pomona._pomona", "--ignore-missing-stub"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_it_is_small_and_needs_little():
    lines = subprocess.run([sys.executable, "-m", "pip", "show", "pomona"], capture_output=True, text=True).stdout
    assert "Requires: numpy, tqdm" in lines
    names = {"sklearn", "pyarrow", "pandas", "PIL"}
    code = f"import sys, pomona; print(sorted({names!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
