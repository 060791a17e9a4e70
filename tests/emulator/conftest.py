"""One emulator for all tests, one deployed stack (with buckets and functions of its own) for each."""

import itertools
import json
import os

import pytest

import cloud
import results

IMAGES = cloud.SHARED / "images/fruits-360"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def test_data():
    if not IMAGES.exists():
        message = f"the images that these tests use are not at {IMAGES}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.fixture(scope="session")
def emulator(test_data, tmp_path_factory):
    missing = [name for name in ["pomona", *(f"pomona-{function}" for function in cloud.FUNCTIONS)] if not (cloud.binaries() / name).exists()]
    assert not missing, f"not built: {', '.join(missing)} at {cloud.binaries()}; run `cargo build --release`"
    emulator = cloud.Emulator(tmp_path_factory.mktemp("emulator"))
    yield emulator
    emulator.stop()


@pytest.fixture
def stack(emulator):
    return emulator.deploy(f"pomona-{next(NUMBERS)}")


@pytest.fixture
def watching(emulator):
    """A stack in which uploads start runs."""
    return emulator.deploy(f"pomona-{next(NUMBERS)}", StartOnUploads="true", RunOptions='{"components": 10, "shard_size": 8}')


@pytest.fixture(scope="session")
def three_hundred():
    """The images of reference/pca_300.json by key."""
    keys = json.loads((cloud.SHARED / "reference/pca_300.json").read_text())["paths"]
    return {key: IMAGES / key for key in keys}


@pytest.fixture(scope="session")
def forty(three_hundred):
    """Some of them, of several classes."""
    return dict(list(three_hundred.items())[:280:7])


@pytest.fixture
def local(tmp_path):
    """The result of a local run over images."""
    numbers = itertools.count()

    def run(images, *options):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return results.local_run(cloud.binaries() / "pomona", cloud.SHARED / "models" / cloud.MODEL, images, folder, *options)

    return run
