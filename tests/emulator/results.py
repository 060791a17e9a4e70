"""What a run is for, so that two runs can be compared; and the local run to compare with."""

import json
import os
import subprocess
from pathlib import Path

FOLDERS = ("features/", "pca/", "metadata/", "classes/", "classify/", "errors/")
FILES = ("model_info/variance.csv", "model_info/pca_model.parquet")


def of(files):
    """The result among the files of a run's folder: bytes by name, and model_info.json without its timestamp."""
    result = {name: content for name, content in files.items() if name.startswith(FOLDERS) or name in FILES}
    info = json.loads(files["model_info/model_info.json"])
    del info["timestamp"]
    return {**result, "model_info/model_info.json": info}


def in_folder(output):
    """The result of the newest run of a folder."""
    run = output / json.loads((output / "latest.json").read_text())["folder"]
    return of({str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()})


def assert_same(cloud, local):
    assert {"classes/classes.csv", *FILES} <= set(local) and any(name.startswith("pca/parquet/") for name in local)
    assert sorted(cloud) == sorted(local)
    different = [name for name in local if cloud[name] != local[name]]
    assert not different


def local_run(program, model, images, folder, *options):
    """The result of `pomona run` over the same images."""
    for key, content in images.items():
        target = folder / "in" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else Path(content).read_bytes())
    command = [program, "run", folder / "in", folder / "out", "--model", model, *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return in_folder(folder / "out")
