# mypy: disable-error-code="import-not-found,import-untyped"
"""spark.py INPUT OUTPUT: the features of all images below INPUT, by a Spark job, as Parquet.

`features` takes the place of a pandas UDF around TensorFlow. Pomona has to be installed where tasks run, pandas too,
for Spark. Nothing is broadcast: each task loads the model by itself, in a tenth of a second, from POMONA_MODEL where
workers have no network. Empty files are missing in the result, as Spark does not hand them over.
"""

import os
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

import pomona


def features(batches: Iterator[pa.RecordBatch], extractor: pomona.Extractor) -> Iterator[pa.RecordBatch]:
    """Path and features of images, for `mapInArrow`; the features of an image that cannot be used are null."""
    for batch in batches:
        rows = extractor.features(batch["content"].to_pylist(), errors="nan")
        lists = pa.array([None if np.isnan(row[0]) else row for row in rows], pa.list_(pa.float32()))
        yield pa.record_batch([batch["path"], lists], ["path", "features"])


def main() -> None:
    """Read, compute, write."""
    from pyspark.sql import SparkSession

    source, target = sys.argv[1:]
    spark = (
        SparkSession.builder.appName("features")
        # A batch lies in memory as a whole, and 10,000 pictures, the default, are many.
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 256)
        # By default each file counts as 4 MB, and a task ends after 32 of them.
        .config("spark.sql.files.openCostInBytes", 0)
        .getOrCreate()
    )
    # A task has one core. The extractor travels without its model.
    extractor = pomona.Extractor(threads=1, untrained=bool(os.environ.get("UNTRAINED")))
    images = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(source)
    table = images.select("path", "content").mapInArrow(
        partial(features, extractor=extractor), "path string, features array<float>"
    )
    table.write.mode("overwrite").parquet(target)


if __name__ == "__main__":
    main()
