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
from pathlib import Path

ROUNDS = 3
WORKERS = 2

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


def table(header, rows):
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def cpu_name():
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{names[0]}, {len(names)} cores" if names else "unknown CPU"


def engine_medians(printed):
    """`name: median 7.12 ms, ...` lines as a dictionary."""
    return {name.strip(): float(ms) for name, ms in re.findall(r"^(.+?): median ([0-9.]+) ms", printed, re.MULTILINE)}


def benchmark_engines():
    """One thread, one image; returns Pomona's milliseconds."""
    rounds = []
    for _ in range(ROUNDS):
        figures = engine_medians(Measured([engines, model]).printed)
        for peer in ["ort", "openvino", "xnnpack"]:
            script = reference / "bench/engines.py"
            figures |= engine_medians(Measured([sys.executable, script, model, peer]).printed)
        rounds.append(figures)
    figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
    peers = ["ort", "openvino", "xnnpack"]
    ratios = [each["pomona"] / min(each[peer] for peer in peers) for each in rounds]
    fastest = min(figures[peer] for peer in peers)
    table(
        ["engine", "ms per image, one thread", "ratio to the fastest peer"],
        [(name, f"{ms:.2f}", f"{ms / fastest:.2f}") for name, ms in figures.items()],
    )
    print(f"\npomona / fastest peer, round by round: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    return figures["pomona"]


def run_pomona(input, folder, threads):
    output = Path(folder) / f"pomona {time.monotonic_ns()}"
    # A cache of its own: no content hash is remembered from another round.
    cache = str(Path(folder) / "cache")
    measured = Measured([pomona, "-q", "run", input, output, "--model", model, "--threads", str(threads)], XDG_CACHE_HOME=cache)
    shutil.rmtree(output)
    shutil.rmtree(cache, ignore_errors=True)
    return measured


def run_peer(input, folder):
    output = Path(folder) / "peer"
    script = reference / "bench/pipeline.py"
    return Measured([sys.executable, script, str(input), str(output), str(model), "50", str(WORKERS)])


def benchmark_pipeline(input, count, ms_per_image, folder):
    rounds = [(run_pomona(input, folder, WORKERS), run_peer(input, folder)) for _ in range(ROUNDS)]
    ours, peers = zip(*rounds)
    row = lambda name, runs: (
        name,
        f"{median(run.seconds for run in runs):.2f}",
        f"{count / median(run.seconds for run in runs):.0f}",
        f"{median(run.cpu_seconds for run in runs):.2f}",
        f"{max(run.peak_mib for run in runs):.0f}",
    )
    print(f"\n{count} images, {WORKERS} threads or workers, start to end")
    table(
        ["", "s", "images/s", "CPU s", "peak MiB (largest process)"],
        [row("pomona run", ours), row("pipeline.py (Pillow, ONNX Runtime, scikit-learn)", peers)],
    )
    faster = median(peer.seconds / our.seconds for our, peer in rounds)
    inference = count * ms_per_image / 1000 / WORKERS
    overhead = median(run.seconds for run in ours) / inference
    print(f"\npomona is {faster:.2f} x as fast; it took {overhead:.2f} x (images x single-thread inference / {WORKERS})")


def benchmark_scaling(input, count, folder):
    rounds = [(run_pomona(input, folder, 1), run_pomona(input, folder, 2)) for _ in range(ROUNDS)]
    scaling = median(one.seconds / two.seconds for one, two in rounds)
    print(f"\n{count} images: two threads are {scaling:.2f} x as fast as one")


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
        ms_per_image = benchmark_engines()
        benchmark_pipeline(sample(folder, 300), 300, ms_per_image, folder)
        benchmark_pipeline(images, len(list(images.rglob("*.jpg"))), ms_per_image, folder)
        benchmark_scaling(sample(folder, 1500), 1500, folder)


main()
