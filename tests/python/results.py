"""Where a run's tables are."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq


def latest_run(output):
    """The folder of the newest successful run."""
    return Path(output) / json.loads((Path(output) / "latest.json").read_text())["folder"]


def table(output, name):
    """One of a run's Parquet tables ("features" or "pca"), as pandas."""
    return pq.read_table(latest_run(output) / name / "parquet").to_pandas()


def rejects(output):
    """The reasons of a run's unusable images, by path."""
    files = sorted((latest_run(output) / "errors").glob("*.csv"))
    return {row["path"]: row["reason"] for file in files for row in csv.DictReader(file.open(newline=""))}
