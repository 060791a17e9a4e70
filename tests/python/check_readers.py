"""check_readers.py OUTPUT PATHS_JSON: pandas, pyarrow, DuckDB and Polars read every table of a run alike, odd paths included."""

import json
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from results import latest_run

output, paths = sys.argv[1:]
run = latest_run(output)
expected = sorted(json.loads(Path(paths).read_text()))
info = json.loads((run / "model_info/model_info.json").read_text())


def check(reader, frame, column, width):
    """A frame has all images, labels that follow from their paths, and rows of the right width."""
    assert sorted(frame["path"]) == expected, (reader, set(frame["path"]) ^ set(expected))
    labels = [path.split("/")[-2] if "/" in path else "" for path in frame["path"]]
    assert list(frame["label"]) == labels, reader
    vectors = np.array([np.asarray(vector, dtype=np.float32) for vector in frame[column]])
    assert vectors.shape == (len(expected), width) and np.isfinite(vectors).all(), (reader, vectors.shape)
    return vectors[np.argsort(list(frame["path"]))]


def all_alike(vectors):
    assert all((vectors[0] == other).all() for other in vectors[1:])
    return vectors[0]


def read_parquet(name, column, width):
    folder = run / name / "parquet"
    glob = str(folder / "*.parquet")
    return all_alike(
        [
            check("pyarrow", pq.read_table(folder).to_pydict(), column, width),
            check("pandas", pd.read_parquet(folder), column, width),
            check("duckdb", duckdb.sql(f"from read_parquet('{glob}', hive_partitioning = false)").df(), column, width),
            check("polars", pl.read_parquet(glob).to_dict(as_series=False), column, width),
        ]
    )


features = read_parquet("features", "features", info["original_dimensions"])
components = read_parquet("pca", "pca_features", info["pca_components"])

# Columns of numbers keep their types, and the element of a list is named as Spark names it.
schema = pq.read_schema(next((run / "pca/parquet").glob("*.parquet")))
types = {field.name: str(field.type) for field in schema}
assert types == {
    "path": "string",
    "label": "string",
    "class_id": "int32",
    "image_id": "int64",
    "pca_features": "list<element: float not null>",
}, types

# What made a table stands in it, for readers that know nothing of Arrow; nothing that differs from run to run does.
made_by = {
    "pomona.model_sha256": info["recipe"]["model_digest"],
    "pomona.weights": info["recipe"]["weights"],
    "pomona.numerics": info["recipe"]["numerics"],
    "pomona.pixels": info["recipe"]["pixels"],
}
of_pca = {"pomona.components": "default", "pomona.center": "true", "pomona.standardize": "false"}
for name, expected_entries in [("features", made_by), ("pca", made_by | of_pca)]:
    for file in (run / name / "parquet").glob("*.parquet"):
        entries = duckdb.sql(f"select decode(key), decode(value) from parquet_kv_metadata('{file}')").fetchall()
        assert {key: value for key, value in entries if key != "ARROW:schema"} == expected_entries, (name, entries)

# The README's lines for one matrix, in the order of the metadata's rows.
width = info["original_dimensions"]
folder, glob = run / "features/parquet", str(run / "features/parquet/*.parquet")
matrices = [
    np.stack(pd.read_parquet(folder)["features"]),
    pl.read_parquet(glob)["features"].list.to_array(width).to_numpy(),
    np.stack(duckdb.sql(f"from read_parquet('{glob}', hive_partitioning = false)").fetchnumpy()["features"]),
]
assert all(matrix.shape == (len(expected), width) and matrix.dtype == np.float32 for matrix in matrices)
matrix = all_alike(matrices)
rows = pd.concat(pd.read_csv(file, keep_default_na=False) for file in sorted((run / "metadata").glob("*.csv")))
order = pd.read_parquet(folder)
assert list(rows["path"]) == list(order["path"]) == list(pd.read_parquet(run / "pca/parquet")["path"])
assert (matrix[np.argsort(list(rows["path"]))] == features).all()
assert list(rows.sort_values("image_id")["path"]) == sorted(expected, key=str.encode)

# The CSV files hold the same numbers; an empty label is text, not a missing value.
names = [f"pca_feature_{number}" for number in range(1, info["pca_components"] + 1)]
glob = str(run / "pca/csv/*.csv")
with_pandas = pd.concat(pd.read_csv(file, keep_default_na=False) for file in sorted((run / "pca/csv").glob("*.csv")))
assert list(with_pandas.columns) == ["path", "label", "class_id", "image_id", *names]
with_polars = pl.concat(
    [pl.read_csv(file, empty_string_is_null=False) for file in sorted((run / "pca/csv").glob("*.csv"))]
)
with_duckdb = duckdb.sql(
    f"select * from read_csv('{glob}', header = true, nullstr = 'NONE', hive_partitioning = false)"
).df()
for reader, frame in [("pandas", with_pandas), ("polars", with_polars.to_pandas()), ("duckdb", with_duckdb)]:
    frame = frame.assign(vector=[np.array(row, dtype=np.float32) for row in frame[names].itertuples(index=False)])
    assert (check(reader, frame, "vector", len(names)) == components).all(), reader

texts = pd.concat(pd.read_csv(file, keep_default_na=False) for file in sorted((run / "features/csv").glob("*.csv")))
texts = texts.assign(vector=[np.array(text.split(","), dtype=np.float32) for text in texts["features_string"]])
assert (check("features_string", texts, "vector", info["original_dimensions"]) == features).all()

# The model file alone reproduces the components.
model = pd.read_parquet(run / "model_info/pca_model.parquet").set_index("vector")["values"]
loadings = np.array([model[name] for name in names])
projected = (features.astype(np.float64) - model["mean"]) @ loadings.T
assert np.abs(projected - components).max() <= 1e-5 * np.abs(components).max()

# Ids, classes and counts agree with each other.
metadata = pd.concat(pd.read_csv(file, keep_default_na=False) for file in sorted((run / "metadata").glob("*.csv")))
classes = pd.read_csv(run / "classes/classes.csv", keep_default_na=False)
assert sorted(metadata["path"]) == expected
assert list(classes["class_id"]) == list(range(len(classes)))
assert list(classes["count"]) == sorted(classes["count"], reverse=True)
class_of = dict(zip(classes["class_id"], classes["class"]))
assert [class_of[number] for number in metadata["class_id"]] == list(metadata["label"])
assert metadata["image_id"].is_unique

variance = pd.read_csv(run / "model_info/variance.csv")
assert list(variance.columns) == ["component", "variance_explained", "cumulative_variance"]
assert np.allclose(variance["variance_explained"], info["variance_by_component"], rtol=1e-15)
validation = json.loads((run / "report/validation.json").read_text())
assert validation["passed"] and all(check["passed"] for check in validation["checks"]), validation
print(f"{len(expected)} images read alike by pyarrow, pandas, DuckDB and Polars")
