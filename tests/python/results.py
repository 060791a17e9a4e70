"""Where a run's tables are."""

import json
from pathlib import Path

import pyarrow.parquet as pq


def latest_run(output):
    """The folder of the newest successful run."""
    return Path(output) / json.loads((Path(output) / "latest.json").read_text())["folder"]


def table(output, name):
    """One of a run's Parquet tables ("features" or "pca"), as pandas."""
    return pq.read_table(latest_run(output) / name / "parquet").to_pandas()
