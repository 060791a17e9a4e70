"""check_published_wide.py OUTPUT SHARED: the features in Conv_1 and their components equal those of reference/wide_300.json.

The reference was fitted to Keras's features, exactly; ours differ from them by rounding, and are fitted by passes.
"""

import json
import sys
from pathlib import Path

import numpy as np

from results import latest_run, table

output, shared = sys.argv[1:]
reference = json.loads((Path(shared) / "reference/wide_300.json").read_text())
info = json.loads((latest_run(output) / "model_info/model_info.json").read_text())
assert (info["pca_components"], info["original_dimensions"]) == (reference["k"], reference["width"]), info

ratios = np.array(info["variance_by_component"]) / np.array(reference["explained_variance_ratio"]) - 1
total = info["total_variance"] / reference["total_variance"] - 1
features = table(output, "features").set_index("path")["features"]
found = np.array([features[path][reference["feature_index"]] for path in reference["paths"][:2]])
sampled = np.array(reference["features_of_first2"])
feature = np.abs(found - sampled).max() / np.abs(sampled).max()
components = table(output, "pca").set_index("path")["pca_features"]
expected = np.array(reference["first3_centered"])
found = np.array([components[path] for path in reference["paths"][:3]])
scale = np.abs(np.array(components.to_list())).max(axis=0)
differences = np.abs(found - expected) / scale
lengths = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
print(
    f"off the exact ones: variance {np.abs(ratios).max():.1e}, total {abs(total):.1e}, features {feature:.1e}, ", end=""
)
print(
    f"projections {lengths.max():.1e} in length, {differences.max():.1e} in a coordinate; {info['convergence']['passes']} passes"
)
assert np.abs(ratios).max() <= 1e-6 and abs(total) <= 1e-6, (ratios, total)
assert feature <= 1e-4, feature
assert differences.max() <= 1e-4 and lengths.max() <= 1e-4, (differences, lengths)
