"""check_wide.py POMONA INPUT OUTPUT: components of 62,720 features, fitted by passes, are numpy's exact ones, in less than 1.5 GB.

POMONA runs with untrained weights and keeps the features, so that numpy can be asked.
"""

import json
import resource
import subprocess
import sys

import numpy as np

from results import latest_run, table

MOST_KILOBYTES = 1_500_000

pomona, images, output = sys.argv[1:]
options = ["--untrained", "--layer", "Conv_1", "--components", "100", "--keep-features", "yes", "--threads", "2"]
# So many shards that sums of sixteen groups are merged; 67,000 images make thirty-two.
options += ["--shard-size", "8"]
subprocess.run([pomona, "run", images, output, *options], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
assert peak < MOST_KILOBYTES, f"{peak} KB"

info = json.loads((latest_run(output) / "model_info/model_info.json").read_text())
features = table(output, "features").set_index("path")["features"]
rows = np.stack(features.to_list()).astype(np.float64)
assert rows.shape[1] == info["original_dimensions"] == 62_720
rows -= rows.mean(axis=0)
variances, vectors = np.linalg.eigh(rows @ rows.T / (len(rows) - 1))
variances, vectors = variances[::-1][:100], vectors[:, ::-1][:, :100]
total = np.square(rows).sum() / (len(rows) - 1)
assert abs(info["total_variance"] / total - 1) < 1e-9
ratios = np.array(info["variance_by_component"]) * info["total_variance"] / variances - 1
assert np.abs(ratios).max() < 1e-6, ratios

# The rows in component space are the left vectors times the singular values; signs are a convention.
exact = vectors * np.sqrt(variances * (len(rows) - 1))
components = table(output, "pca").set_index("path")["pca_features"]
found = np.stack([components[path] for path in features.index]).astype(np.float64)
exact *= np.sign((exact * found).sum(axis=0))
differences = np.abs(found - exact).max(axis=0) / np.abs(exact).max(axis=0)
assert differences.max() < 1e-4, differences
print(
    f"{len(rows)} rows: variance {np.abs(ratios).max():.1e}, projections {differences.max():.1e}, {peak / 1e6:.2f} GB"
)
