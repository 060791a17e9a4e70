"""Archives in the input bucket: the result is that of the same archives, or of the files in them, on one machine."""

import gzip
import io
import json
import tarfile
import zipfile
from functools import partial
from urllib.parse import quote_plus

import cloud
import pyarrow
import pyarrow.parquet
import pytest
from results import assert_same
from test_5_command_line import Pomona

OPTIONS = {"shard_size": 8, "components": 6}
LOCALLY = ["--shard-size", "8", "--components", "6"]
MB = 1 << 20


def content(image):
    return image if isinstance(image, bytes) else image.read_bytes()


def tar(images, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for key, image in images.items():
            member = tarfile.TarInfo(key)
            member.size = len(content(image))
            archive.addfile(member, io.BytesIO(content(image)))
    return file.getvalue()


def zipped(images):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, image in images.items():
            archive.writestr(key, content(image))
    return file.getvalue()


def table(images, **options):
    """As Spark has files, and with labels of its own."""
    columns = {
        "path": list(images),
        "content": [content(image) for image in images.values()],
        "label": [key.split("/")[-2] for key in images],
    }
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **options)
    return file.getvalue()


def without_places(result):
    """A result without where its labels and its list lay."""
    info = result["model_info/model_info.json"]
    options = {name: value for name, value in info["options"].items() if name not in ("labels", "list")}
    return {**result, "model_info/model_info.json": {**info, "options": options}}


def part(images, number):
    return dict(list(images.items())[number::5])


def test_archives_beside_files_have_the_result_of_a_local_run(stack, forty, local):
    images = {
        "a.tar": tar(part(forty, 0)),
        "b/c.zip": zipped(part(forty, 1)),
        "d.tar.gz": tar(part(forty, 2), "w:gz"),
        "e/f.parquet": table(part(forty, 3), row_group_size=4),
        **part(forty, 4),
    }
    stack.upload(images)
    result = stack.result(stack.succeed(options=OPTIONS))
    assert_same(result, local(images, *LOCALLY))
    assert result["model_info/model_info.json"]["num_images_processed"] == 40

    # What was found in archives is kept, and one that has become longer is another one.
    assert len(stack.keys("archives/")) == 3
    before = len(stack.invocations("list-batch"))
    stack.succeed(options=OPTIONS)
    assert len(stack.invocations("list-batch")) == before and len(stack.keys("archives/")) == 3
    more = {**part(forty, 0), **part(forty, 1)}
    stack.upload({"a.tar": tar(more)})
    report = stack.succeed(options=OPTIONS)
    computed = sum(invocation["answer"]["computed"] for invocation in stack.invocations("list-batch")[before:])
    assert computed == 8, "the members that are new"
    assert_same(stack.result(report), local({**images, "a.tar": tar(more)}, *LOCALLY))


def test_an_archive_that_is_the_input_has_the_result_of_its_files(emulator, stack, forty, local, tmp_path):
    expected = local(forty, "--components", "6")
    stack.upload({"sets/all.tar": tar(forty), "sets/all.zip": zipped(forty), "sets/all.parquet": table(forty)})
    for name in ("all.tar", "all.zip", "all.parquet"):
        place = f"s3://{stack.input}/sets/{name}"
        report = stack.succeed(input=place, options={"components": 6})
        assert_same(stack.result(report), expected)
    pomona = Pomona(emulator, stack)
    pomona("start", f"s3://{stack.input}/sets/all.zip", f"s3://{stack.output}", "--components", "6")
    pomona("watch")
    pomona("apply", f"s3://{stack.output}", place, tmp_path / "applied", "--model", emulator.model)
    printed, _ = pomona("run", place, tmp_path / "here", "--model", emulator.model, "--components", "6")
    assert "40 in 12 classes" in printed


@pytest.mark.parametrize("name", ["all.tar", "all.parquet", "all.zip"])
def test_members_are_read_by_ranges_of_some_megabytes(name, emulator, stack, forty):
    """Twenty megabytes in five hundred members, which as files would be five hundred requests."""
    [image, *_] = (content(image) for image in forty.values())
    # Behind its end an image may have anything.
    images = {f"{number % 7}/{number:04}.jpg": image + bytes([number % 251]) * 40_000 for number in range(500)}
    pack = {
        "all.tar": tar,
        "all.zip": zipped,
        "all.parquet": partial(table, row_group_size=100, compression="none"),
    }
    archive = pack[name](images)
    stack.upload({name: archive})

    def reads(function):
        place = f"arn:aws:s3:::{stack.input}/{name}"
        calls = [call for call in emulator.control("calls") if call["resource"] == place]
        return sum(call["caller"] == f"{stack.name}-{function}" for call in calls)

    stack.succeed(options={"components": 6})
    # By eight megabytes, of a table after its end, of a zip the end alone; and it tries a few images.
    assert (1 if name == "all.zip" else 3) <= reads("plan") <= 4 + 5
    assert 1 <= reads("list-batch") <= 1 + len(archive) // (4 * MB), f"{reads('list-batch')} of {len(archive)} bytes"


def test_labels_and_paths_may_be_a_users_own(stack, forty, local, tmp_path):
    keys = list(forty)
    labels = "path,label\n" + "".join(f"{key},kind {number % 3}\n" for number, key in enumerate(keys[:30]))
    chosen = "\n".join([*keys[5:], "not/there.jpg"])
    (tmp_path / "labels.csv").write_text(labels)
    (tmp_path / "list.txt").write_text(chosen)
    images = {**forty, "labels.csv": labels.encode(), "list.txt": chosen.encode()}
    stack.upload(images)
    place = f"s3://{stack.input}"
    report = stack.succeed(options={**OPTIONS, "labels": f"{place}/labels.csv", "list": f"{place}/list.txt"})
    here = local(images, *LOCALLY, "--labels", tmp_path / "labels.csv", "--list", tmp_path / "list.txt")
    assert_same(without_places(stack.result(report)), without_places(here))
    assert (report["images"], report["rejects"], report["classes"]) == (36, 1, 4)

    # A list as S3 Inventory writes it, of the whole bucket.
    schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size"
    listed = [*keys[5:], "notes.txt", "not/there.jpg"]
    rows = [f'"{stack.input}","{quote_plus(key)}","","true","false","7"' for key in listed]
    manifest = {
        "sourceBucket": stack.input,
        "destinationBucket": f"arn:aws:s3:::{stack.input}",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": [{"key": "lists/data/1.csv.gz", "size": 7, "MD5checksum": "f1"}],
    }
    stack.upload(
        {
            "lists/2026-11-27T01-00Z/manifest.json": json.dumps(manifest).encode(),
            "lists/data/1.csv.gz": gzip.compress("\n".join(rows).encode()),
        }
    )
    inventory = f"{place}/lists/2026-11-27T01-00Z/manifest.json"
    report = stack.succeed(options={**OPTIONS, "labels": f"{place}/labels.csv", "list": inventory})
    assert_same(without_places(stack.result(report)), without_places(here))

    ended = stack.run(options={"labels": f"{place}/none.csv"})
    assert (ended["status"], ended["error"]) == ("FAILED", "Pomona.BadInput")
    assert "there is no" in stack.problem(ended)
