"""benchmark.py REFERENCE POMONA ENGINES: Pomona against its peers, in turn and in one run; prints the tables of BENCHMARKS.md.

REFERENCE is the folder with images, models and the peers' programs; POMONA the program; ENGINES the program that times Pomona's engine and
plain tract on one thread (`cargo build --release --examples`). Figures are medians over ROUNDS rounds, each of which runs every contender once.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from itertools import pairwise
from pathlib import Path

ROUNDS = 3
WORKERS = 2
PEERS = ["ort", "openvino", "xnnpack"]

reference, pomona, engines = (Path(argument).resolve() for argument in sys.argv[1:4])
model = reference / "models/mobilenet_v2_1.0_224_features.onnx"
images = reference / "images/fruits-360"


class Measured:
    """A finished process: seconds, CPU seconds, peak memory in MiB, what it printed."""

    def __init__(self, command, **environment):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{command} failed with status {status}")
        self.seconds = time.perf_counter() - started
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_mib = usage.ru_maxrss / 1024


def median(values):
    return statistics.median(values)


def mean(values):
    return statistics.mean(values)


def summary(each):
    """The median of all rounds, and each of them."""
    return f"{median(each):.2f} ({', '.join(f'{value:.2f}' for value in each)})"


def ratio(numerators, denominators):
    return [numerator / denominator for numerator, denominator in zip(numerators, denominators)]


def table(header, rows):
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def cpu_name():
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{names[0]}, {len(names)} cores" if names else "unknown CPU"


def engine_times(printed, kind="median"):
    """`name: median 7.12 ms, min 6.90 ms, mean 7.20 ms` lines as a dictionary."""
    lines = re.findall(rf"^(.+?):.* {kind} ([0-9.]+) ms", printed, re.MULTILINE)
    return {name.strip(): float(ms) for name, ms in lines}


def pomona_engines(kind="median"):
    """Milliseconds per image on one thread, of Pomona's engine and of plain tract."""
    return engine_times(Measured([engines, model]).printed, kind)


def benchmark_engines():
    """One thread, one image."""
    rounds = []
    for _ in range(ROUNDS):
        figures = pomona_engines()
        for peer in PEERS:
            script = reference / "bench/engines.py"
            figures |= engine_times(Measured([sys.executable, script, model, peer]).printed)
        rounds.append(figures)
    figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
    ratios = [each["pomona"] / min(each[peer] for peer in PEERS) for each in rounds]
    fastest = min(figures[peer] for peer in PEERS)
    table(
        ["engine", "ms per image, one thread", "ratio to the fastest peer"],
        [(name, f"{ms:.2f}", f"{ms / fastest:.2f}") for name, ms in figures.items()],
    )
    print(f"\npomona / fastest peer, round by round: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")


def run_pomona(input, folder, threads=WORKERS, engine="pomona"):
    output = Path(folder) / f"pomona {time.monotonic_ns()}"
    # A cache of its own: no content hash is remembered from another round.
    cache = str(Path(folder) / "cache")
    options = ["--model", model, "--engine", engine, "--threads", str(threads)]
    measured = Measured([pomona, "-q", "run", input, output, *options], XDG_CACHE_HOME=cache)
    shutil.rmtree(output)
    shutil.rmtree(cache, ignore_errors=True)
    return measured


def run_peer(input, folder):
    output = Path(folder) / "peer"
    script = reference / "bench/pipeline.py"
    return Measured([sys.executable, script, str(input), str(output), str(model), "50", str(WORKERS)])


def benchmark_pipeline(input, folder):
    """Start to end. Inference alone is measured before and after what it is compared with, because a shared machine is not equally fast
    all the time. Its mean counts here, not its median: what all images take is a sum, and a machine's hiccups are in it as well."""
    count = sum(1 for _ in input.rglob("*.jpg"))
    contenders = {
        f"pomona run, {WORKERS} threads": lambda: run_pomona(input, folder),
        f"pomona run --engine tract, {WORKERS} threads": lambda: run_pomona(input, folder, engine="tract"),
        "pomona run, 1 thread": lambda: run_pomona(input, folder, threads=1),
        "pipeline.py (Pillow, ONNX Runtime, scikit-learn)": lambda: run_peer(input, folder),
    }
    inference, rounds = [], []
    for _ in range(ROUNDS):
        times, runs = [pomona_engines("mean")], []
        for run in contenders.values():
            runs.append(run())
            times.append(pomona_engines("mean"))
        # One list a round: what an image took around each contender.
        inference.append([{name: mean([before[name], after[name]]) for name in before} for before, after in pairwise(times)])
        rounds.append(runs)
    print(f"\n{count} images, start to end")
    table(["", "s", "images/s", "CPU s", "peak MiB (largest process)"], [
        (
            name,
            f"{median(run.seconds for run in runs):.2f}",
            f"{count / median(run.seconds for run in runs):.0f}",
            f"{median(run.cpu_seconds for run in runs):.2f}",
            f"{max(run.peak_mib for run in runs):.0f}",
        )
        for name, runs in zip(contenders, zip(*rounds))
    ])

    def share_of_inference(engine, contender):
        ideal = [count * around[contender][engine] / 1000 / WORKERS for around in inference]
        return summary(ratio([runs[contender].seconds for runs in rounds], ideal))

    two, _, one, peer = ([run.seconds for run in runs] for runs in zip(*rounds))
    print(f"\npomona is so many times as fast as the peer: {summary(ratio(peer, two))}")
    print(f"two threads are so many times as fast as one: {summary(ratio(one, two))}")
    print(f"time / (images x single-thread inference / {WORKERS}): {share_of_inference('pomona', 0)}")
    print(f"the same with plain tract: {share_of_inference('tract', 1)}")


def sample(folder, count):
    """A folder with links to every n-th image."""
    paths = sorted(images.rglob("*.jpg"))
    chosen = Path(folder) / f"{count} images"
    for path in paths[:: len(paths) // count][:count]:
        link = chosen / path.relative_to(images)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return chosen


def main():
    print(f"{date.today()}, {cpu_name()}; medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        benchmark_engines()
        benchmark_pipeline(sample(folder, 300), folder)
        benchmark_pipeline(images, folder)


main()
