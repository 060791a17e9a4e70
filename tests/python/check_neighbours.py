"""check_neighbours.py OUTPUT SHARE: at least this share of a run's images have a nearest neighbour (by cosine, scikit-learn) of their label."""

import sys

import numpy as np
from sklearn.neighbors import NearestNeighbors

from results import table

output, share = sys.argv[1], float(sys.argv[2])
run = table(output, "features")
rows = np.array(run["features"].to_list())
_, neighbours = NearestNeighbors(n_neighbors=1, metric="cosine").fit(rows).kneighbors()
labels = run["label"].to_numpy()
right = (labels[neighbours[:, 0]] == labels).mean()
print(f"{right:.3f} of {len(rows)} images have a nearest neighbour of their own label")
assert right >= share, right
