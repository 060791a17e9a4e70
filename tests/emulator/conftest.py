"""One emulator for all tests, one deployed stack (with buckets and functions of its own) for each."""

import itertools

import pytest

import cloud
import pictures
import results

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def built():
    cloud.require_binaries()


@pytest.fixture(scope="session")
def model(built, tmp_path_factory):
    """What the deployed functions and local runs compute with."""
    return cloud.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def emulator(model, tmp_path_factory):
    emulator = cloud.Emulator(tmp_path_factory.mktemp("emulator"), model)
    yield emulator
    emulator.stop()


@pytest.fixture
def stack(emulator):
    return emulator.deploy(f"pomona-{next(NUMBERS)}")


@pytest.fixture
def watching(emulator):
    """A stack in which uploads start runs."""
    return emulator.deploy(
        f"pomona-{next(NUMBERS)}", StartOnUploads="true", RunOptions='{"components": 10, "shard_size": 8}'
    )


@pytest.fixture(scope="session")
def three_hundred(tmp_path_factory):
    """Images of a dozen classes by key."""
    return pictures.draw(tmp_path_factory.mktemp("pictures"), 300)


@pytest.fixture(scope="session")
def forty(three_hundred):
    """Some of them, of all classes."""
    return dict(list(three_hundred.items())[:280:7])


@pytest.fixture
def local(model, tmp_path):
    """The result of a local run over images."""
    numbers = itertools.count()

    def run(images, *options):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return results.local_run(cloud.binaries() / "pomona", model, images, folder, *options)

    return run
