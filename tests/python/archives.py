"""Packs the files below one folder into archives in another, each in a way that some program has."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

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
