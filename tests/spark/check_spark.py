"""check_spark.py RESULTS: Spark reads a run's Parquet and CSV with the types that MLlib expects."""

import json
import sys
from pathlib import Path

from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession

results = Path(sys.argv[1])
run = results / json.loads((results / "latest.json").read_text())["folder"]
info = json.loads((run / "model_info/model_info.json").read_text())
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def check(name, column, width):
    frame = spark.read.parquet(str(run / name / "parquet"))
    types = dict(frame.dtypes)
    assert types[column] == "array<float>" and types["path"] == "string", types
    rows = frame.select("path", column, array_to_vector(column).alias("vector")).collect()
    assert len(rows) == info["num_images_processed"], len(rows)
    assert all(len(row[column]) == width and row["vector"].size == width for row in rows)
    return {row["path"]: row[column] for row in rows}


check("features", "features", info["original_dimensions"])
components = check("pca", "pca_features", info["pca_components"])
csv = spark.read.csv(
    str(run / "pca/csv"), header=True, inferSchema=True, quote='"', escape='"', multiLine=True
).collect()
assert {row["path"] for row in csv} == set(components)
for row in csv:
    differences = [abs(row[f"pca_feature_{k + 1}"] - value) for k, value in enumerate(components[row["path"]])]
    assert max(differences) < 1e-5, differences
print(f"Spark {spark.version} reads {len(components)} images' features and components")
