"""Multinomial logistic regression by scikit-learn, as a reference.

Arguments: rows, columns, classes, lambda. Standard input: the rows as little-endian float32, then their classes as
little-endian uint32. Standard output, as little-endian float64: the objective, then the probabilities [rows, classes].

Two classes are one vector of weights in scikit-learn, which stands for two opposite ones of half its length: their
squares add up to half of its own.
"""

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

rows, columns, classes = map(int, sys.argv[1:4])
regularization = float(sys.argv[4])
data = sys.stdin.buffer.read()
features = np.frombuffer(data, "<f4", rows * columns).reshape(rows, columns).astype(np.float64)
labels = np.frombuffer(data, "<u4", rows, rows * columns * 4)

constant = np.ptp(features, axis=0) == 0
deviations = np.where(constant, 1, features.std(axis=0, ddof=1))
features = np.where(constant, 0, features - features.mean(axis=0)) / deviations

present = len(np.unique(labels))
penalties = 2 if present == 2 else 1
strength = penalties / (rows * regularization) if regularization > 0 else np.inf
model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(features, labels)
probabilities = np.zeros((rows, classes))
probabilities[:, model.classes_] = model.predict_proba(features)

losses = -np.log(probabilities[np.arange(rows), labels])
objective = losses.mean() + regularization / 2 * (model.coef_**2).sum() / penalties

for result in (objective, probabilities):
    sys.stdout.buffer.write(np.ascontiguousarray(result, "<f8").tobytes())
