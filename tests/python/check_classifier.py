"""check_classifier.py RESULTS: a classifier is scikit-learn's on the very images that the run learned from.

So are its figures, and what numpy makes of classify/model.parquet; scales and components are those of the training
images alone.
"""

import json
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, confusion_matrix, log_loss
from sklearn.preprocessing import StandardScaler

from classifier_file import check_predictions, classifier, probabilities
from results import latest_run, table

run = latest_run(sys.argv[1])
classify = json.loads((run / "model_info/model_info.json").read_text())["options"]["classify"]
predictions = pq.read_table(run / "classify/predictions").to_pandas().set_index("path")
features = table(sys.argv[1], "features").set_index("path")["features"]
components = table(sys.argv[1], "pca").set_index("path")["pca_features"]
assert sorted(predictions.index) == sorted(features.index)
rows = np.stack([features[path] for path in predictions.index]).astype(np.float64)
projected = np.stack([components[path] for path in predictions.index]).astype(np.float64)
seen = projected if classify["classify_on"] == "components" else rows
is_training, labels = predictions.is_training.to_numpy(), predictions.label.to_numpy()
is_test = ~is_training & (labels != "")
assert not is_training[labels == ""].any()
assert abs(is_training.sum() / (labels != "").sum() - classify["train_share"]) < 0.1

# Components are those of the training images.
centred = rows[is_training] - rows[is_training].mean(axis=0)
singular = np.linalg.svd(centred, compute_uv=False)[: projected.shape[1]]
variance = projected[is_training].var(axis=0, ddof=1)
assert np.abs(variance / (singular**2 / (is_training.sum() - 1)) - 1).max() < 1e-4
assert np.abs(projected[is_training].mean(axis=0)).max() < 1e-4

# What numpy makes of the model's file.
model = classifier(run / "classify/model.parquet")
names = model.names
likelihoods = probabilities(model, seen)
check_predictions(model, likelihoods, predictions)

# scikit-learn standardises by n in the denominator, which only the penalty could tell from n - 1.
scaler = StandardScaler().fit(seen[is_training])
scaler.scale_ *= np.sqrt(is_training.sum() / (is_training.sum() - 1))
known = np.unique(labels[is_training])
strength = (2 if len(known) == 2 else 1) / (is_training.sum() * classify["regularization"])
peer = LogisticRegression(C=strength, tol=1e-9, max_iter=20_000)
peer.fit(scaler.transform(seen[is_training]), labels[is_training])
expected = pd.DataFrame(peer.predict_proba(scaler.transform(seen)), columns=peer.classes_)
difference = np.abs(expected[known].to_numpy() - pd.DataFrame(likelihoods, columns=names)[known].to_numpy()).max()
# The fit ends by Spark's rule, when the objective falls by less than a millionth of what it was at the start. What is
# left then moves probabilities more the more features there are.
assert difference < (1e-4 if classify["classify_on"] == "components" else 5e-3), difference


def objective(weights, intercepts):
    scores = scaler.transform(seen[is_training]) @ weights.T + intercepts
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(scores)), np.searchsorted(known, labels[is_training])]
    return losses.mean() + classify["regularization"] / 2 * np.square(weights).sum()


if len(known) > 2:
    order = np.searchsorted(names[np.argsort(names)], known)
    ours = objective(model.weights[np.argsort(names)][order], model.intercepts[np.argsort(names)][order])
    lowest = objective(peer.coef_, peer.intercept_)
    assert 0 <= ours - lowest + 1e-12 < 1e-6 * np.log(len(known)), (ours, lowest)

metrics = json.loads((run / "classify/metrics.json").read_text())
confusion = pd.read_csv(run / "classify/confusion.csv", keep_default_na=False)
for side, of_side in (("training", is_training), ("test", is_test)):
    if not of_side.any():
        assert metrics[side] is None
        continue
    truth, predicted = labels[of_side], predictions.predicted.to_numpy()[of_side]
    report = classification_report(truth, predicted, output_dict=True, zero_division=0)
    found = metrics[side]
    assert found["images"] == of_side.sum()
    assert abs(found["accuracy"] - (truth == predicted).mean()) < 1e-12
    for name in ("macro", "weighted"):
        for figure, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert abs(found[f"{name}_average"][figure] - report[f"{name} avg"][key]) < 1e-12, (side, name, figure)
    assert {each["label"] for each in found["labels"]} == set(truth) | set(predicted)
    for each in found["labels"]:
        by_peer = report[each["label"]]
        assert each["support"] == by_peer["support"], each
        assert abs(each["f1"] - by_peer["f1-score"]) < 1e-12, each
    order = np.argsort(names)
    loss = log_loss(truth, likelihoods[of_side][:, order], labels=names[order])
    assert abs(found["log_loss"] - loss) < 1e-9, (side, found["log_loss"], loss)
    cells = confusion[confusion.is_training == (side == "training")]
    matrix = pd.DataFrame(0, index=names, columns=names)
    for cell in cells.itertuples():
        matrix.loc[cell.label, cell.predicted] += cell.images
    assert (matrix.to_numpy() == confusion_matrix(truth, predicted, labels=names)).all()
print(
    f"{is_training.sum()} training and {is_test.sum()} test images of {len(names)} labels: probabilities "
    f"{difference:.1e}, test accuracy {metrics['test']['accuracy'] if metrics['test'] else 'unknown'}"
)
