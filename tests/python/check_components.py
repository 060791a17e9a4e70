"""check_components.py OUTPUT: a run's components are those that LAPACK, by numpy, and scikit-learn find in the run's own features."""

import json
import sys

import numpy as np
from sklearn.decomposition import PCA

from results import latest_run, table

TOLERANCE = 1e-4

output = sys.argv[1]
info = json.loads((latest_run(output) / "model_info/model_info.json").read_text())
options, k = info["options"], info["pca_components"]
features = table(output, "features").set_index("path")["features"]
components = table(output, "pca").set_index("path")["pca_features"]
rows = np.array(features.to_list(), dtype=np.float64)
found = np.array([components[path] for path in features.index])

mean, scale = rows.mean(axis=0), np.ones(rows.shape[1])
if options["standardize"]:
    scale = rows.std(axis=0, ddof=1)
    scale[scale == 0] = 1
centred = (rows - mean) / scale
_, values, vectors = np.linalg.svd(centred, full_matrices=False)
variances = values**2 / (len(rows) - 1)
ratios = variances / variances.sum()
# A component's sign is free: the entry that is largest in size is positive.
signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])
expected = (centred if options["center"] else rows / scale) @ (signs[:, None] * vectors).T[:, :k]

with_sklearn = PCA(k, svd_solver="full").fit(centred).explained_variance_ratio_
off_ratios = np.abs(np.array(info["variance_by_component"]) / ratios[:k] - 1).max()
off_sklearn = np.abs(np.array(info["variance_by_component"]) / with_sklearn - 1).max()
off_total = abs(info["total_variance"] / variances.sum() - 1)
off = (np.abs(found - expected) / np.abs(expected).max(axis=0)).max()
print(
    f"off LAPACK: variance {off_ratios:.1e}, total {off_total:.1e}, projections {off:.1e}; off scikit-learn: variance {off_sklearn:.1e}"
)
assert max(off_ratios, off_sklearn, off_total) <= 1e-6, (off_ratios, off_sklearn, off_total)
assert off <= TOLERANCE, off
