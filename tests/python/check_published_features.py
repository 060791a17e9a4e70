"""check_published_features.py OUTPUT TABLE: the features of a run equal those of the reference table, image by image."""

import sys

import numpy as np
import pyarrow.parquet as pq

from results import table

TOLERANCE = 1e-4

output, reference = sys.argv[1:]
expected = pq.read_table(reference).to_pandas().set_index("path")["features"]
found = table(output, "features").set_index("path")["features"]
assert set(expected.index) == set(found.index), set(expected.index) ^ set(found.index)
largest = max(np.abs(found[path] - expected[path]).max() for path in expected.index)
print(f"largest difference to Keras over {len(expected)} images: {largest:.2e}")
assert largest <= TOLERANCE, largest
