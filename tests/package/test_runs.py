"""Runs: the same files as the command line's, and tables in the packages that users have."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

import pomona
from conftest import ended
from pomona import _pomona


def copies(images, folder, count):
    """A folder with each image so many times."""
    folder.mkdir()
    for copy in range(count):
        for image in images.rglob("*.png"):
            (folder / f"{copy}-{image.parent.name}-{image.name}").symlink_to(image)
    return folder


def files(output, run_id):
    """The files of a run that say nothing of its time."""
    root = Path(output) / "runs" / run_id
    folders = [root / folder for folder in ("features", "pca", "metadata", "errors")]
    return {path.relative_to(root): path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.*"))}


def test_a_run_writes_what_the_command_line_writes(run, command_line):
    other = pomona.open(command_line)
    mine, theirs = files(run.output, run.run_id), files(other.output, other.run_id)
    assert len([name for name in mine if name.name == "00001.parquet"]) == 2
    assert [name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)] == []


def test_every_option_of_the_command_line_has_a_keyword():
    usage = subprocess.run(["pomona", "run", "--help"], check=True, capture_output=True, text=True).stdout
    flags = {word[2:].rstrip(",").replace("-", "_") for word in usage.split() if word.startswith("--")}
    listed = {line.split()[0][2:] if line.strip().startswith("--") else line.split()[1][2:]
              for line in usage.splitlines() if line.strip().startswith(("--", "-h,", "-q,", "-v,"))}
    listed = {name.replace("-", "_") for name in listed} - {"help", "quiet", "verbose"}
    assert listed and listed <= flags
    known = pomona.RunOptions.__annotations__ | pomona.ModelOptions.__annotations__
    assert set(known) == listed


def test_tables_go_to_every_package(run, images):
    components = run.components()
    table = pyarrow.table(components)
    assert table.column_names == ["path", "label", "class_id", "image_id", "pca_features"] == components.columns
    assert table.num_rows == len(components) == 26
    folder = Path(run.output) / "runs" / run.run_id / "pca" / "parquet"
    # With what each file says of its model, which a table of all files does not carry.
    assert table.equals(pyarrow.parquet.read_table(folder, schema=table.schema))
    frame = polars.DataFrame(components)
    assert frame.shape == (26, 5)
    assert pandas.DataFrame.from_arrow(components)["label"].value_counts().to_dict() == {"apple": 14, "kiwi": 12}
    assert duckdb.sql("select count(*) from components where label = 'kiwi'").fetchall() == [(12,)]
    assert frame["path"].to_list() == polars.DataFrame(run.metadata())["path"].to_list()
    assert {str(path.relative_to(images)) for path in images.rglob("*.png")} == set(frame["path"])


def test_a_matrix_has_the_rows_of_the_table(run):
    for table, column, width in ((run.features(), "features", 1280), (run.components(), "pca_features", 4)):
        matrix = table.matrix()
        assert matrix.dtype == np.float32 and matrix.shape == (26, width) and matrix.flags.c_contiguous
        assert np.array_equal(matrix, np.array(pyarrow.table(table)[column].to_pylist(), np.float32))
        matrix[0, 0] = 7
    with pytest.raises(TypeError, match="no column of vectors"):
        run.metadata().matrix()


def test_a_run_in_numbers(run):
    info = json.loads((Path(run.output) / "runs" / run.run_id / "model_info" / "model_info.json").read_text())
    assert run.info == info
    assert run.variance.dtype == np.float64 and run.variance.tolist() == info["variance_by_component"]
    classes = polars.DataFrame(run.classes())
    assert classes.rows() == [(0, "apple", 14), (1, "kiwi", 12)]
    assert len(run.errors()) == 0 and run.errors().columns == ["path", "label", "reason", "detail"]
    assert "<html" in run.report and "iframe" in run.report._repr_html_() == run._repr_html_()
    with pytest.raises(pomona.BadInput, match="classif"):
        run.predictions()
    with pytest.raises(pomona.BadInput, match="classif"):
        run.metrics  # noqa: B018
    checks = run.validation["checks"]
    assert run.validation["passed"] and {"check": "listed = features + rejects", "passed": True, "expected": 26, "found": 26} in checks
    assert repr(run.report).startswith("<pomona.Report of ")


def test_what_a_classifier_says(classified):
    predictions = polars.DataFrame(classified.predictions())
    assert predictions.columns == ["path", "label", "predicted", "probability", "is_training"]
    test = predictions.filter(~predictions["is_training"])
    accuracy = (test["label"] == test["predicted"]).mean()
    assert classified.metrics["test"]["accuracy"] == pytest.approx(accuracy)


def test_the_projection_is_that_of_the_tables(run):
    pca = run.pca()
    features = run.features().matrix()
    assert np.array_equal(pca.transform(features), run.components().matrix())
    assert np.array_equal(pickle.loads(pickle.dumps(pca)).transform(features[3:4]), run.components().matrix()[3:4])
    with pytest.raises(pomona.Inconsistent):
        pca.transform(features[:, :7])
    with pytest.raises(ValueError, match="1 dimensions"):
        pca.transform(features[0])


def test_a_search_finds_the_image_itself(run, images):
    image = images / "kiwi" / "3.png"
    hits = run.search(image, 3)
    assert len(hits) == 3 and hits[0] == ("kiwi/3.png", "kiwi", pytest.approx(0, abs=1e-6))
    assert run.search(image.read_bytes(), 3) == hits
    assert run.search(image, 2, pca=True)[0].path == "kiwi/3.png"
    said = subprocess.run(["pomona", "search", run.output, image, "--count=3", "--json"], check=True, capture_output=True)
    assert [hit["path"] for hit in json.loads(said.stdout)] == [hit.path for hit in hits]
    with pytest.raises(FileNotFoundError):
        run.search(images / "none.png")
    with pytest.raises(pomona.BadInput, match="empty"):
        run.search(b"")
    with pytest.raises(ValueError, match="n=0"):
        run.search(image, 0)


def test_results_are_opened_as_on_the_command_line(run, tmp_path, monkeypatch):
    assert pomona.open(run.output).run_id == run.run_id
    folder = Path(run.output) / "runs" / run.run_id
    monkeypatch.chdir(Path(run.output).parent)
    by_path = pomona.open(folder.relative_to(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    assert by_path.run_id == run.run_id and len(by_path.metadata()) == 26
    assert pickle.loads(pickle.dumps(run)) == run
    with pytest.raises(pomona.BadInput, match="no run was successful yet"):
        pomona.open(tmp_path)
    with pytest.raises(pomona.BadInput):
        pomona.open(run.output, "20200101T000000Z-00000000")
    with pytest.raises(pomona.BadInput):
        pomona.open(run.output, "newest")


def test_what_cannot_be_is_said_by_name(images, tmp_path):
    names = {name.removeprefix("Pomona.") for name in _pomona.ERROR_NAMES}
    own = {name for name, value in vars(pomona.errors).items() if isinstance(value, type) and pomona.Error in value.__bases__}
    assert own - names == {"ImageError"} and names <= own
    assert issubclass(pomona.BadInput, ValueError)
    with pytest.raises(TypeError, match="--colour"):
        pomona.run(images, tmp_path, colour="red")
    with pytest.raises(pomona.BadInput, match="components"):
        pomona.run(images, tmp_path, components="many")
    with pytest.raises(pomona.BadInput, match="mean"):
        pomona.run(images, tmp_path, mean=(0.5, 0.5), std=(1, 1, 1))
    with pytest.raises(pomona.BadInput, match="inside"):
        pomona.run(images, images / "results", untrained=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(pomona.NoImages):
        pomona.run(tmp_path / "empty", tmp_path / "out", untrained=True, progress=False)
    (tmp_path / "bad").mkdir()
    for number in range(3):
        (tmp_path / "bad" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(pomona.TooManyRejects):
        pomona.run(tmp_path / "bad", tmp_path / "out", untrained=True, progress=False)
    with pytest.raises(TypeError):
        pomona.run(3, tmp_path)
    with pytest.raises(TypeError, match="place in S3 as text"):
        pomona.run(images, Path("s3://bucket/results"))
    for name, value in {"keep_features": False, "csv": True, "classify": 1, "extensions": [], "seed": None.__class__}.items():
        with pytest.raises(TypeError, match=name):
            pomona.run(images, tmp_path / "none", **{name: value})
    assert not (tmp_path / "none").exists()


def test_progress_is_shown_unless_it_is_not_wanted(images, tmp_path, capsys):
    many = copies(images, tmp_path / "many", 20)
    pomona.run(many, tmp_path / "a", untrained=True, components=2, threads=1)
    shown = capsys.readouterr()
    assert "extract" in shown.err and "/520 [" in shown.err and "images" in shown.err
    pomona.run(many, tmp_path / "a", untrained=True, components=3)
    assert "520 of 520 images are in parts that exist already" in capsys.readouterr().out
    pomona.run(many, tmp_path / "b", untrained=True, components=2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_options_as_sequences(images, tmp_path):
    options = {"untrained": True, "components": 2, "progress": False}
    run = pomona.run(images, tmp_path, exclude=["apple/1*.png", "kiwi/?.png"], extensions=["png", "gif"], **options)
    assert run.info["num_images_listed"] == 9 + 2


INTERRUPTED = """
import sys, pomona
print("ready", flush=True)
try:
    pomona.run(*sys.argv[1:], untrained=True, threads=1, progress=False)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_stops_a_run_which_goes_on_afterwards(images, tmp_path):
    many = copies(images, tmp_path / "many", 40)
    output = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, many, output], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - sent < 2
    assert process.wait(10) == 0
    assert not (output / "latest.json").exists()
    run = pomona.run(many, output, untrained=True, components=2, progress=False)
    assert len(run.metadata()) == 40 * 26


def test_python_goes_on_while_a_run_works(images, tmp_path):
    counted = [0]
    done = threading.Event()

    def count():
        while not done.wait(0.005):
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    started = time.monotonic()
    pomona.run(images, tmp_path, untrained=True, components=2, progress=False)
    seconds = time.monotonic() - started
    done.set()
    thread.join()
    assert counted[0] > 10 * seconds


def test_the_command_line_is_the_same_program(images, tmp_path):
    said = subprocess.run(["pomona", "--version"], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["pomona", pomona.__version__]
    as_module = subprocess.run([sys.executable, "-m", "pomona", "--version"], check=True, capture_output=True, text=True)
    assert as_module.stdout == said
    wrong = subprocess.run(["pomona", "run", images], capture_output=True, text=True)
    assert wrong.returncode == 2 and "OUTPUT" in wrong.stderr
    missing = subprocess.run(["pomona", "inspect", tmp_path], capture_output=True, text=True)
    assert missing.returncode == 1 and missing.stderr.startswith("error: ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_run_after_a_fork(images, tmp_path):
    child = os.fork()
    if child == 0:
        try:
            pomona.run(images, tmp_path, untrained=True, components=2, progress=False)
            os._exit(0)
        finally:
            os._exit(1)
    assert ended(child, 60) == 0
    assert len(pomona.open(tmp_path).metadata()) == 26
