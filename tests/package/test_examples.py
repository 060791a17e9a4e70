"""The examples: the notebook is the script, both run, and Spark gets the extractor's bits."""

import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pyarrow
import pytest
from nbclient import NotebookClient

import pomona

EXAMPLES = Path("examples").resolve()
FIGURES = 3


@pytest.fixture
def place(images, tmp_path, monkeypatch):
    """A working folder of one's own, and what a user says by the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGES", str(images))
    monkeypatch.setenv("RESULTS", "results")
    monkeypatch.setenv("UNTRAINED", "1")
    return tmp_path


def cells(script):
    """What a script in the percent format has: each cell's type and text."""
    for cell in script.split("\n# %%")[1:]:
        kind, text = cell.split("\n", 1)
        text = text.strip("\n")
        if kind == "":
            yield "code", text
        else:
            assert kind == " [markdown]"
            yield "markdown", "\n".join(line[len("# ") :] for line in text.split("\n"))


def test_the_notebook_is_the_script():
    notebook = nbformat.read(EXAMPLES / "fruits.ipynb", nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    expected = list(cells((EXAMPLES / "fruits.py").read_text()))
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == expected
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)


def test_the_notebook_runs(place, monkeypatch):
    # With a backend of one's own, figures are not a cell's output.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(EXAMPLES / "fruits.ipynb", nbformat.NO_CONVERT)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": place}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == FIGURES
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert f"test: accuracy {pomona.open('results').metrics['test']['accuracy']:.3f}" in printed
    assert "components: test accuracy" in printed
    assert " checks passed\n" in printed
    assert "<iframe" in outputs[-1].data["text/html"]


def test_the_script_runs(place):
    said = subprocess.run([sys.executable, EXAMPLES / "fruits.py"], check=True, capture_output=True, text=True)
    assert "\n26 images in 2 classes\n" in said.stdout and "test: accuracy" in said.stdout


def test_without_images_it_draws_some(place, monkeypatch):
    monkeypatch.delenv("IMAGES")
    said = subprocess.run([sys.executable, EXAMPLES / "fruits.py"], check=True, capture_output=True, text=True)
    assert said.stdout.startswith("360 images in 12 classes\n")


def test_spark_gets_the_bits_of_the_extractor(images, extractor, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from spark import features

    paths = sorted(images.rglob("*.png"))[:3]
    contents = [path.read_bytes() for path in paths]
    whole = pyarrow.record_batch({"path": ["a", "b", "c"], "content": contents})
    broken = pyarrow.record_batch({"path": ["cut", "b", "empty"], "content": [contents[0][:200], contents[1], b""]})
    with pytest.warns(pomona.ImageWarning, match="2 of 3 images"):
        batches = list(features(iter([whole, broken, whole.slice(0, 0)]), extractor))
    table = pyarrow.Table.from_batches(batches)
    assert table.schema == pyarrow.schema({"path": pyarrow.string(), "features": pyarrow.list_(pyarrow.float32())})
    assert table["path"].to_pylist() == ["a", "b", "c", "cut", "b", "empty"]
    rows = table["features"]
    assert rows.is_null().to_pylist() == [False, False, False, True, False, True]
    expected = extractor.features(paths)[[0, 1, 2, 1]]
    assert np.array_equal(np.stack([row.values.to_numpy() for row in rows if row.is_valid]), expected)
