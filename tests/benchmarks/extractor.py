"""extractor.py REFERENCE: the Extractor of the package for Python beside `pomona run` and beside Pillow and ONNX Runtime, in turn and in one
process; prints a table of BENCHMARKS.md.

REFERENCE is the folder with images and models. Needs the package, numpy, Pillow and onnxruntime.
"""

import csv
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pomona
from PIL import Image

IMAGES = 10_000
ROUNDS = 3
# What one call of ONNX Runtime infers.
BATCH = 32
# Calls that memory must not grow over, after it has grown to what a call takes.
WARM_CALLS, CALLS = 5, 50
IMAGES_PER_CALL = 256

reference = Path(sys.argv[1]).resolve()
model = reference / "models/mobilenet_v2_1.0_224_features.onnx"
threads = len(os.sched_getaffinity(0))


def resident_megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run(folder):
    """Seconds that a run extracts for."""
    with tempfile.TemporaryDirectory() as output:
        run = pomona.run(folder, output, model=model, progress=False)
        timings = Path(run.output, "runs", run.run_id, "report/timings.csv")
        with timings.open() as file:
            return sum(float(row["seconds"]) for row in csv.DictReader(file) if row["stage"] == "extract")


def session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def pixels(path):
    image = Image.open(path).convert("RGB").resize((224, 224))
    return (np.asarray(image, dtype=np.float32) / 127.5 - 1).transpose(2, 0, 1)


def by_onnxruntime(peer, paths):
    batches = (np.stack([pixels(path) for path in paths[at : at + BATCH]]) for at in range(0, len(paths), BATCH))
    return np.concatenate([peer.run(None, {"input": batch})[0] for batch in batches])


with tempfile.TemporaryDirectory() as folder:
    originals = sorted((reference / "images").rglob("*.jpg"))
    paths = [Path(folder, f"{number:05}.jpg") for number in range(IMAGES)]
    for number, path in enumerate(paths):
        path.symlink_to(originals[number % len(originals)])
    extractor, peer = pomona.Extractor(model), session()
    difference = np.abs(extractor.features(paths[:64]) - by_onnxruntime(peer, paths[:64])).max()
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(
            (
                run(folder),
                seconds(lambda: extractor.features(paths)),
                seconds(lambda: by_onnxruntime(peer, paths)),
            )
        )
    memory = []
    for _ in range(CALLS):
        extractor.features(paths[:IMAGES_PER_CALL])
        memory.append(resident_megabytes())

names = ["`pomona run`, extraction", "`Extractor.features`", f"Pillow + ONNX Runtime, batches of {BATCH}"]
print(f"{IMAGES} images, {threads} threads; largest difference of features {difference:.1e}\n")
print("| what | seconds | beside `pomona run` |\n|---|---|---|")
for name, each in zip(names, zip(*rounds)):
    ratios = [own / first for own, (first, *_) in zip(each, rounds)]
    shown = ", ".join(f"{value:.1f}" for value in each)
    print(f"| {name} | {statistics.median(each):.1f} ({shown}) | {statistics.median(ratios):.3f} |")
ratios = [own / peer for _, own, peer in rounds]
print(f"\n`Extractor.features` beside Pillow + ONNX Runtime, which decodes on one thread: {statistics.median(ratios):.2f}")
print(f"Memory after call {WARM_CALLS} and {CALLS}: {memory[WARM_CALLS - 1]:.0f} and {memory[-1]:.0f} MB")
