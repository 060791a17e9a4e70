"""check_extractor.py DEMO FEATURES: the example's job made the features of the demo's run, bit for bit.

Only cut.png, which has come since, has none.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

demo, job = map(Path, sys.argv[1:])
results = demo / "results"
run = results / json.loads((results / "latest.json").read_text())["folder"]


def features(folder):
    """The features of each path; None where there are none."""
    table = pyarrow.parquet.read_table(folder, columns=["path", "features"])
    rows = (row.values.to_numpy() if row.is_valid else None for row in table["features"])
    found = dict(zip(table["path"].to_pylist(), rows, strict=True))
    assert len(found) == len(table)
    return found


expected = features(run / "features/parquet")
found = {path.removeprefix(f"file:{demo.resolve()}/images/"): row for path, row in features(job).items()}
assert found.pop("Blue Tarn/cut.png") is None
assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
for path, row in expected.items():
    assert row.dtype == found[path].dtype == np.float32 and row.tobytes() == found[path].tobytes(), path
print(f"Spark's tasks made the features of {len(found)} images, bit for bit, and null of the broken one")
