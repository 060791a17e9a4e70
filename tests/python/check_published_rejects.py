"""check_published_rejects.py OUTPUT REJECTS: the rejects of a run are those of the reference, each with its reason."""

import json
import sys
from pathlib import Path

import pandas as pd

from results import latest_run

output, reference = sys.argv[1:]
errors = pd.concat(pd.read_csv(file) for file in sorted((latest_run(output) / "errors").glob("*.csv")))
found = dict(zip(errors["path"], errors["reason"]))
expected = json.loads(Path(reference).read_text())
assert found == expected, (found, expected)
assert errors["detail"].notna().all(), errors
