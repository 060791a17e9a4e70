"""Packs the files below one folder into archives and tables in another, each in a way that some program has."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import duckdb
import polars
import pyarrow
import pyarrow.parquet

source, target = map(Path, sys.argv[1:])
target.mkdir()
files = sorted(path for path in source.rglob("*") if path.is_file())


class Pipe(io.RawIOBase):
    """A file that cannot be gone back in, as a program writes to that packs while it sends."""

    def __init__(self, path):
        self.file = path.open("wb")

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


def members():
    return [(path, str(path.relative_to(source))) for path in files]


for name, mode, format in [
    ("python.tar", "w", tarfile.PAX_FORMAT),
    ("old.tar", "w", tarfile.USTAR_FORMAT),
    ("python.tar.gz", "w:gz", tarfile.GNU_FORMAT),
]:
    with tarfile.open(target / name, mode, format=format) as tar:
        for path, member in members():
            tar.add(path, member)
subprocess.run(["tar", "-cf", target.absolute() / "gnu.tar", "."], cwd=source, check=True)
for name, method in [("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)]:
    with zipfile.ZipFile(target / name, "w", method) as archive:
        for path, member in members():
            archive.write(path, member)
        archive.comment = b"all of them"
for name, method in [("streamed.zip", zipfile.ZIP_DEFLATED), ("streamed_stored.zip", zipfile.ZIP_STORED)]:
    with zipfile.ZipFile(Pipe(target / name), "w", method) as archive:
        for path, member in members():
            archive.write(path, member)
# Behind a program that unpacks itself, and with the fields of large members.
with (target / "prefixed.zip").open("wb") as file:
    file.write(b"#!/bin/sh\nexit 1\n" * 100)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        for path, member in members():
            with archive.open(zipfile.ZipInfo(member), "w", force_zip64=True) as large:
                large.write(path.read_bytes())


# As Hugging Face's datasets write themselves: a hundred rows in a group, or less here, and names of classes beside them.
names = sorted({path.parent.name for path in files})
features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
published = pyarrow.table(
    {
        "image": [{"bytes": path.read_bytes(), "path": member} for path, member in members()],
        "label": [names.index(path.parent.name) for path in files],
    }
).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
for name, options in [
    ("published", {"row_group_size": 7}),
    ("plain_zstd", {"use_dictionary": False, "compression": "zstd", "data_page_size": 1, "write_batch_size": 3}),
    ("second_pages", {"data_page_version": "2.0", "compression": "gzip", "dictionary_pagesize_limit": 1}),
    ("delta", {"use_dictionary": False, "column_encoding": {"image.bytes": "DELTA_LENGTH_BYTE_ARRAY"}}),
    ("unpacked", {"compression": "none", "write_page_index": True}),
]:
    pyarrow.parquet.write_table(published, target / f"{name}.parquet", **options)
# Names that nobody would guess.
fruits = [path.parent.name for path in files]
scans = pyarrow.table({"scan": [path.read_bytes() for path in files], "fruit": fruits})
(target.parent / "named").mkdir()
pyarrow.parquet.write_table(scans, target.parent / "named" / "named.parquet")
# As Spark reads files, and as others name such columns.
columns = {"path": [f"file:///{member}" for _, member in members()], "content": [path.read_bytes() for path in files]}
polars.DataFrame(columns).write_parquet(target / "polars.parquet", row_group_size=11)
polars.DataFrame({**columns, "class": [path.parent.name for path in files]}).write_parquet(target / "polars_labels.parquet")
spread = polars.DataFrame(columns).rename({"content": "img", "path": "file_name"})
spread = spread.with_columns(polars.col("file_name").str.strip_prefix("file:///"))
duckdb.sql(f"COPY (FROM spread) TO '{target / 'duckdb.parquet'}' (FORMAT parquet)")
