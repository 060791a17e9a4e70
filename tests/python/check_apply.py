"""check_apply.py FITTED APPLIED: a run's tables are what numpy makes of the model files of the run that fitted them.

Both files are read as their documentation says, and nothing else of the run that fitted the models is looked at.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from classifier_file import check_predictions, classifier, probabilities

fitted, applied = map(Path, sys.argv[1:])
features = pq.read_table(applied / "features/parquet").to_pandas()
components = pq.read_table(applied / "pca/parquet").to_pandas()
predictions = pq.read_table(applied / "classify/predictions").to_pandas()
assert list(features.path) == list(components.path) == list(predictions.path)
rows = np.stack(features.features).astype(np.float64)
projected = np.stack(components.pca_features).astype(np.float64)

pca = pq.read_table(fitted / "model_info/pca_model.parquet").to_pandas().set_index("vector")["values"]
loadings = np.stack([pca[f"pca_feature_{number + 1}"] for number in range(projected.shape[1])])
scale = pca["scale"] if "scale" in pca else 1.0
expected = (rows - pca["mean"]) / scale @ loadings.T
difference = np.abs(expected - projected).max() / np.abs(projected).max()
assert difference < 1e-6, difference

path = fitted / "classify/model.parquet"
classify = json.loads(pq.read_metadata(path).metadata[b"classify"])
model = classifier(path)
seen = projected if classify["classify_on"] == "components" else rows
check_predictions(model, probabilities(model, seen), predictions)

# Of images that the earlier run did not list, none was learned from; of the others, those that it learned from.
learned = pq.read_table(fitted / "classify/predictions").to_pandas().set_index("path").is_training
assert list(predictions.is_training) == [bool(learned.get(path, False)) for path in predictions.path]
assert 0 < len(learned) < len(predictions)
print(f"{len(rows)} images on models of {len(learned)}: components {difference:.1e}")
