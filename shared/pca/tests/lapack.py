"""Principal components by LAPACK's singular value decomposition, as a reference.

Arguments: rows, columns, standardize (0 or 1). Standard input: the rows as little-endian float32. Standard output, as
little-endian float64: variances [k], loadings [columns, k], projections [rows, k], with k = min(rows - 1, columns).
"""

import sys

import numpy as np

rows, columns, standardize = map(int, sys.argv[1:])
features = np.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(rows, columns).astype(np.float64)
features -= features.mean(axis=0)
if standardize:
    deviations = features.std(axis=0, ddof=1)
    constant = np.ptp(features, axis=0) == 0
    features = np.where(constant, 0, features / np.where(constant, 1, deviations))

_, singular_values, loadings = np.linalg.svd(features, full_matrices=False)
k = min(rows - 1, columns)
variances, loadings = singular_values[:k] ** 2 / (rows - 1), loadings[:k].T
largest = np.abs(loadings).max(axis=0)
first = (np.abs(loadings) >= largest * (1 - 1e-9)).argmax(axis=0)
loadings = loadings * np.sign(loadings[first, np.arange(k)])

for result in (variances, loadings, features @ loadings):
    sys.stdout.buffer.write(np.ascontiguousarray(result, "<f8").tobytes())
