"""Drawn pictures, and runs on them."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import pomona


def draw(folder, label, hue, count, random):
    """Pictures of discs, no two alike."""
    (folder / label).mkdir(parents=True)
    for number in range(count):
        height, width = random.integers(40, 120, 2)
        y, x = np.mgrid[:height, :width]
        disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / random.uniform(2.2, 4)) ** 2
        pixels = random.integers(200, 255, (height, width, 3), dtype=np.uint8)
        pixels[disc] = np.clip(np.array(hue) + random.integers(-30, 30, 3), 0, 255)
        Image.fromarray(pixels).save(folder / label / f"{number}.png")


def ended(child, seconds):
    """What a child process came to; one that takes longer is ended."""
    end = time.monotonic() + seconds
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.05)
    if status[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    return status[1]


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "images"
    random = np.random.default_rng(7)
    draw(folder, "apple", (200, 40, 40), 14, random)
    draw(folder, "kiwi", (90, 140, 40), 12, random)
    return folder


@pytest.fixture(scope="session")
def run(images, tmp_path_factory):
    """A run of two shards."""
    output = tmp_path_factory.mktemp("results")
    return pomona.run(images, output, untrained=True, components=4, shard_size=8, progress=False)


@pytest.fixture(scope="session")
def classified(images, tmp_path_factory):
    output = tmp_path_factory.mktemp("classified")
    options = {"untrained": True, "classify": True, "train_share": 0.5, "regularization": 0.01, "progress": False}
    return pomona.run(images, output, **options)


@pytest.fixture(scope="session")
def extractor():
    return pomona.Extractor(untrained=True)


@pytest.fixture(scope="session")
def command_line(images, tmp_path_factory):
    """The results of the command line, by the same program."""
    output = tmp_path_factory.mktemp("command-line")
    arguments = ["--untrained", "--components=4", "--shard-size=8"]
    subprocess.run(["pomona", "--quiet", "run", images, output, *arguments], check=True)
    return output


@pytest.fixture(autouse=True, scope="session")
def examples(images, run, classified):
    """What the examples in docstrings are about."""
    return {
        "images": images,
        "results": run.output,
        "classified": classified.output,
        "image": images / "apple" / "0.png",
    }
