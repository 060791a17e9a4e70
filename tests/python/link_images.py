"""link_images.py TABLE IMAGES FOLDER: links the images that a reference table names into a new folder, under the same paths."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

reference, images, folder = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
for path in pq.read_table(reference, columns=["path"]).column("path").to_pylist():
    link = folder / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(images / path)
