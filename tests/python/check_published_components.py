"""check_published_components.py OUTPUT SHARED CASE centered|uncentered: a run's PCA equals LAPACK's of reference/pca_300.json to 1e-4.

The reference was fitted to Keras's features, ours to features that differ from them by rounding (some 1e-5). That turns components whose
variances nearly coincide a little into each other, so beyond the 50th component single coordinates may differ by more than the whole
vector does: there, only the length of the difference counts.
"""

import json
import sys
from pathlib import Path

import numpy as np

from results import latest_run, table

TOLERANCE = 1e-4

output, shared, case, centring = sys.argv[1:]
reference = json.loads((Path(shared) / "reference/pca_300.json").read_text())
case = reference["cases"][int(case)]
info = json.loads((latest_run(output) / "model_info/model_info.json").read_text())
assert info["pca_components"] == case["k"], info["pca_components"]

ratios = np.array(info["variance_by_component"]) / np.array(case["explained_variance_ratio"]) - 1
total = info["total_variance"] / case["total_variance"] - 1
components = table(output, "pca").set_index("path")["pca_features"]
expected = np.array(case[f"first3_{centring}"])
found = np.array([components[path] for path in reference["paths"][:3]])
scale = np.abs(np.array(components.to_list())).max(axis=0)
differences = (np.abs(found - expected) / scale)[:, :50]
lengths = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
print(f"off LAPACK: variance {np.abs(ratios).max():.1e}, total {abs(total):.1e}, ", end="")
print(f"projections {lengths.max():.1e} in length, {differences.max():.1e} in a coordinate of the first 50")
assert np.abs(ratios).max() <= TOLERANCE and abs(total) <= TOLERANCE, (ratios, total)
assert differences.max() <= TOLERANCE and lengths.max() <= TOLERANCE, (differences, lengths)
