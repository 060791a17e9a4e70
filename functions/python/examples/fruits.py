# mypy: disable-error-code="import-not-found,import-untyped"

# %% [markdown]
# # Fruits: from images to classes
#
# A folder of pictures becomes features, the features become components, and the components tell the labels apart.
# This used to be a Spark notebook on a cluster. Each step says what it did there, and what takes its place.
#
# Beside Pomona you need Matplotlib, Polars and scikit-learn. Say in the next cell, or in the environment, where your
# pictures are: the name of the folder that an image lies in is its label. Without any, Pomona draws a few hundred.
#
# The published MobileNetV2 is fetched once (14 MB). Without a network set `UNTRAINED=1`: the same network with random
# weights, which see colours and edges and know nothing of what ImageNet teaches.

# %%
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pomona

DEMO = Path("pomona-demo", "images")
IMAGES = Path(os.environ.get("IMAGES", DEMO))
RESULTS = Path(os.environ.get("RESULTS", "fruits-results"))
UNTRAINED = bool(os.environ.get("UNTRAINED"))

if IMAGES == DEMO and not DEMO.exists():
    subprocess.run([sys.executable, "-m", "pomona", "demo", "--quiet", "--untrained", DEMO.parent], check=True)

# %% [markdown]
# ## Images to features, components and classes
#
# *In Spark:* a session, `binaryFile` to list and read, the label split off the path, MobileNetV2's weights broadcast to
# the workers, and a pandas UDF in which Pillow resized each picture, Keras scaled it and TensorFlow ran it. Features
# went to S3 as Parquet, and were read again for a scaler, a PCA and a classifier.
#
# Here it is one call, and with the published weights the features are the same, to 1e-4. Call it again and only what is
# new is computed; stop it, and the same call goes on. An image that cannot be read is a row in `run.errors()`, with its
# reason.

# %%
run = pomona.run(IMAGES, RESULTS, classify=True, regularization=0.001, untrained=UNTRAINED)
print(f"{run.info['num_images_processed']} images in {run.info['num_classes']} classes")
pl.DataFrame(run.errors())

# %% [markdown]
# ## Tables and arrays
#
# *In Spark:* `toPandas()` for a look, and again for the CSV, so that everything went through the driver's memory.
#
# The tables are Arrow: Polars, pandas (`DataFrame.from_arrow`), pyarrow and DuckDB take them as they are, and
# `.matrix()` is a float32 array with a row for each image. They also lie in the run's folder as Parquet, and the
# components as CSV.

# %%
features = run.features().matrix()
components = run.components().matrix()
print(f"features {features.shape}, components {components.shape}, in {run.output}/runs/{run.run_id}")
predictions = pl.DataFrame(run.predictions()).drop("label")
table = pl.DataFrame(run.components()).join(predictions, on="path", how="left", maintain_order="left")
table

# %% [markdown]
# ## What components keep
#
# *In Spark:* vectors assembled, standardised and handed to MLlib's PCA with a `k`, which somebody then judged by a plot
# of `explainedVariance`.
#
# By default 50 components are kept, and `components=0.95` keeps as many as that share of the variance needs. They are
# fitted to the images that the classifier learns from, so that the others are a fair test of both. (MLlib's PCA
# projects without subtracting the mean; `no_center=True` and `standardize=True` do what Spark did.)

# %%
labels = pl.DataFrame(run.classes())["class"].to_list()  # The most frequent first.
count = np.arange(1, len(run.variance) + 1)
fig, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
left.bar(count, run.variance, color="tab:blue", label="each")
left.plot(count, run.variance.cumsum(), color="tab:orange", label="together")
left.set(title="Variance explained", xlabel="component", ylabel="share of the variance", ylim=(0, 1))
left.legend()
for number, label in enumerate(labels):
    x, y = components[table["label"] == label, :2].T
    colour = plt.get_cmap("tab20")(number) if number < 20 else "lightgray"
    right.scatter(x, y, s=14, color=colour, label=label if number < 20 else None)
right.set(title="Images by label", xlabel="component 1", ylabel="component 2")
right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %% [markdown]
# ## Classes
#
# *In Spark:* a `StringIndexer`, a random split, a `LogisticRegression`, and an evaluator asked once for each figure.
#
# `classify=True` has done this already. Its loss is that of Spark, and `regularization` is Spark's `regParam`. Which
# images it is tested with follows from their paths, so none changes sides when pictures are added.

# %%
is_test = ~table["is_training"] & (table["label"] != "")
test = table.filter(is_test)
for side in ("training", "test"):
    figures = run.metrics[side]
    print(f"{side}: accuracy {figures['accuracy']:.3f}, log-loss {figures['log_loss']:.3f}, {figures['images']} images")
fig, axis = plt.subplots(figsize=(7, 6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    test["label"].to_list(),
    test["predicted"].to_list(),
    include_values=len(labels) <= 20,
    xticks_rotation="vertical",
    cmap="Blues",
    colorbar=False,
    ax=axis,
)
axis.set(title="Test images", xlabel="taken for", ylabel="label")
plt.show()
pl.DataFrame(run.metrics["test"]["labels"])

# %% [markdown]
# ## A classifier of one's own
#
# *In Spark:* whatever MLlib had.
#
# Fifty numbers an image fit into memory, and scikit-learn takes them. It learns from the images that the run learned
# from, and is tested with the others, so that the figures can be compared.

# %%
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(components[table["is_training"]], table.filter("is_training")["label"].to_list())
accuracy = model.score(components[is_test], test["label"].to_list())
print(f"scikit-learn on components: test accuracy {accuracy:.3f}")

# %% [markdown]
# ## Images like this one
#
# *In Spark:* there was no such step; a join of all images with one would have been it.
#
# Any picture may be asked about. This one is of the run itself, so it finds itself first.

# %%
hits = run.search(IMAGES / test["path"][0], 6)
fig, axes = plt.subplots(1, len(hits), figsize=(13, 2.6), layout="constrained")
for axis, hit in zip(axes, hits):
    axis.imshow(Image.open(IMAGES / hit.path).convert("RGB"))
    axis.set_title(f"{hit.label}\n{hit.distance:.4f}", fontsize=10)
    axis.axis("off")
fig.suptitle("Nearest images, by the cosine distance of features")
plt.show()

# %% [markdown]
# ## The report
#
# *In Spark:* log files, and the cluster's own pages for as long as it lived.
#
# A page with all of the above, the checks that the run has passed, and the time that each stage took. It lies in the
# run's folder as one file, to be passed on.

# %%
checks = run.validation["checks"]
print(f"{sum(check['passed'] for check in checks)} of {len(checks)} checks passed")
run.report
