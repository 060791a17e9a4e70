"""One S3 for all tests; each has buckets of its own, and proxies of its own in front of them."""

import itertools
import os
import re

import pytest

import images
import onnx
import world

NUMBERS = itertools.count(1)

# The tests' own servers are on this machine, where no proxy leads.
for name in [name for name in os.environ if re.fullmatch(r".*_PROXY", name, re.I)]:
    del os.environ[name]


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    world.program()
    s3 = world.World(tmp_path_factory.mktemp("world"), {"colours": onnx.colours(), "pixels": onnx.pixels(256)})
    yield s3
    s3.stop()


@pytest.fixture(scope="session")
def pictures(s3):
    """The bucket that most runs read."""
    return s3.make_bucket("pictures", images.assorted())


@pytest.fixture
def output(s3):
    """A new bucket."""
    return s3.make_bucket(f"output-{next(NUMBERS)}")


@pytest.fixture(scope="session")
def undisturbed(s3, pictures):
    """The result of a run without faults."""
    return s3.succeed(s3.url, pictures, s3.make_bucket("undisturbed"))
