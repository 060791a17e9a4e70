"""classify/model.parquet, read by its documentation alone."""

from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq


def classifier(path):
    """Mean, scale, weights, intercepts and the labels that these are of."""
    table = pq.read_table(path).to_pandas()
    vectors = {name: np.stack(table[table.vector == name]["values"].to_list()) for name in ("mean", "scale", "weights")}
    of_labels = table[table.vector == "weights"]
    intercepts = of_labels.intercept.to_numpy(dtype=np.float64)
    return SimpleNamespace(**vectors, names=of_labels.label.to_numpy(), intercepts=intercepts)


def probabilities(model, seen):
    """How likely each label is for each row of what the classifier sees."""
    scores = (seen - model.mean) / model.scale @ model.weights.T + model.intercepts
    likelihoods = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likelihoods / likelihoods.sum(axis=1, keepdims=True)


def check_predictions(model, likelihoods, predictions):
    """That the table of predictions names the likeliest label, and how likely it is."""
    assert (model.names[likelihoods.argmax(axis=1)] == predictions.predicted).all()
    assert np.abs(likelihoods.max(axis=1) - predictions.probability).max() < 1e-9
