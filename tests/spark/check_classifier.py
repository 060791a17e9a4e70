"""check_classifier.py RESULTS: Spark's logistic regression, on the images that the run learned from, has the same figures.

Spark standardises as the run does, and does not centre: that changes intercepts and no probability.
"""

import json
import sys
from pathlib import Path

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import StringIndexer
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession

results = Path(sys.argv[1])
run = results / json.loads((results / "latest.json").read_text())["folder"]
metrics = json.loads((run / "classify/metrics.json").read_text())
classify = metrics["classify"]
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

table, column = {"features": ("features", "features"), "components": ("pca", "pca_features")}[classify["classify_on"]]
features = spark.read.parquet(str(run / table / "parquet")).select("path", array_to_vector(column).alias("features"))
predictions = spark.read.parquet(str(run / "classify/predictions")).drop("probability")
rows = features.join(predictions, "path").where("label != ''")
indexer = StringIndexer(inputCol="label", outputCol="class").fit(rows)
# In the order of their names, as the rows of a run are: the order of additions is a part of the result.
rows = indexer.transform(rows).orderBy("path").repartition(1).cache()
training, test = rows.where("is_training"), rows.where("not is_training")
peer = LogisticRegression(
    labelCol="class",
    family="multinomial",
    regParam=classify["regularization"],
    maxIter=classify["max_iterations"],
    tol=1e-6,
).fit(training)
differences = 0
for name, side in (("training", training), ("test", test)):
    predicted = peer.transform(side).cache()
    for metric, found in (
        ("accuracy", metrics[name]["accuracy"]),
        ("weightedFMeasure", metrics[name]["weighted_average"]["f1"]),
        ("weightedPrecision", metrics[name]["weighted_average"]["precision"]),
        ("weightedRecall", metrics[name]["weighted_average"]["recall"]),
    ):
        evaluator = MulticlassClassificationEvaluator(labelCol="class", predictionCol="prediction", metricName=metric)
        expected = evaluator.evaluate(predicted)
        assert abs(found - expected) < 1e-12, (name, metric, found, expected)
    names = indexer.labels
    differences += sum(names[int(row.prediction)] != row.predicted for row in predicted.collect())
    print(f"{name}: accuracy {metrics[name]['accuracy']:.4f}, loss {metrics[name]['log_loss']:.5f}")
assert differences == 0, differences
print(
    f"Spark {spark.version} took {peer.summary.totalIterations} iterations to {peer.summary.objectiveHistory[-1]:.6g}, "
    f"the run {metrics['descent']['iterations']} to {metrics['descent']['objective']:.6g}"
)
