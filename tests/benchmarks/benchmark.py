"""benchmark.py REFERENCE POMONA ENGINES [PART ...]: Pomona against its peers, in turn and in one run; prints the tables of BENCHMARKS.md.

REFERENCE is the folder with images, models and the peers' programs; POMONA the program; ENGINES the program that times Pomona's engine and
plain tract on one thread (`cargo build --release --examples`). Figures are medians over ROUNDS rounds, each of which runs every contender once;
what a run takes beside inference is little, so that has OVERHEAD_ROUNDS. PARTs are engines, pipelines and overhead.
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
OVERHEAD_ROUNDS = {"pomona": 7, "tract": 3}
WORKERS = 2
# What ENGINES infers of one engine before it turns to the other.
IMAGES_PER_TURN = 10
PEERS = ["ort", "openvino", "xnnpack"]
# Multiply-adds of MobileNetV2 1.0 at 224 x 224 up to its pooled features.
NETWORK_GMAC = 0.3008

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


def summary(each):
    """The median of all rounds, and each of them."""
    return f"{median(each):.2f} ({', '.join(f'{value:.2f}' for value in each)})"


def ratio(numerators, denominators):
    return [numerator / denominator for numerator, denominator in zip(numerators, denominators)]


def count_images(folder):
    return sum(1 for _ in folder.rglob("*.jpg"))


def table(header, rows):
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def cpu():
    """Its name and kind, cores, the widest vectors that kernels are made for, and the caches of a core."""
    said = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    flags = said.get("flags", said.get("Features", "")).split()
    vectors = next((name for name in ("avx512f", "avx2", "asimd") if name in flags), "no vectors that are used")
    caches = [
        f"L{(index / 'level').read_text().strip()} {(index / 'size').read_text().strip()}"
        for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
        if (index / "type").read_text().strip() != "Instruction"
    ]
    kind = ", ".join(f"{what} {said[what]}" for what in ("cpu family", "model") if what in said)
    name = said.get("model name", "unknown CPU")
    return f"{name} ({kind or 'kind unknown'}; {vectors}), {os.cpu_count()} cores, {', '.join(caches) or 'caches unknown'}"


def engine_times(printed, kind="median"):
    """`name: median 7.12 ms, min 6.90 ms, mean 7.20 ms` lines as a dictionary."""
    lines = re.findall(rf"^(.+?):.* {kind} ([0-9.]+) ms", printed, re.MULTILINE)
    return {name.strip(): float(ms) for name, ms in lines}


def benchmark_engines():
    """One thread, one image."""
    rounds, peaks = [], []
    for _ in range(ROUNDS):
        printed = Measured([engines, model]).printed
        peaks += [float(peak) for peak in re.findall(r"^peak: ([0-9.]+) GMAC/s", printed, re.MULTILINE)]
        figures = engine_times(printed)
        for peer in PEERS:
            script = reference / "bench/engines.py"
            figures |= engine_times(Measured([sys.executable, script, model, peer]).printed)
        rounds.append(figures)
    figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
    fastest = min(figures[peer] for peer in PEERS)
    # Without a peak there are no kernels for the CPU, and nothing to compare with.
    peak = max(peaks, default=None)
    table(
        ["engine", "ms per image, one thread", "ratio to the fastest peer", "of the peak"],
        [
            (name, f"{ms:.2f}", f"{ms / fastest:.2f}", f"{NETWORK_GMAC * 1000 / ms / peak:.0%}" if peak else "")
            for name, ms in figures.items()
        ],
    )
    if peak:
        print(f"\npeak: {peak:.1f} GMAC/s, or {NETWORK_GMAC * 1000 / peak:.2f} ms for the network's {NETWORK_GMAC} GMAC")
    for peer in PEERS:
        print(f"pomona / {peer}: {summary([each['pomona'] / each[peer] for each in rounds])}")
    print(f"pomona / the fastest: {summary([each['pomona'] / min(each[peer] for peer in PEERS) for each in rounds])}")


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
    """Start to end."""
    count = count_images(input)
    contenders = {
        f"pomona run, {WORKERS} threads": lambda: run_pomona(input, folder),
        f"pomona run --engine tract, {WORKERS} threads": lambda: run_pomona(input, folder, engine="tract"),
        "pomona run, 1 thread": lambda: run_pomona(input, folder, threads=1),
        "pipeline.py (Pillow, ONNX Runtime, scikit-learn)": lambda: run_peer(input, folder),
    }
    rounds = [[run() for run in contenders.values()] for _ in range(ROUNDS)]
    print(f"\n{count} images, start to end")
    table(
        ["", "s", "images/s", "CPU s", "peak MiB (largest process)"],
        [
            (
                name,
                f"{median(run.seconds for run in runs):.2f}",
                f"{count / median(run.seconds for run in runs):.0f}",
                f"{median(run.cpu_seconds for run in runs):.2f}",
                f"{max(run.peak_mib for run in runs):.0f}",
            )
            for name, runs in zip(contenders, zip(*rounds))
        ],
    )

    two, _, one, peer = ([run.seconds for run in runs] for runs in zip(*rounds))
    print(f"\npomona is so many times as fast as the peer: {summary(ratio(peer, two))}")
    print(f"two threads are so many times as fast as one: {summary(ratio(one, two))}")


def benchmark_overhead():
    """What a run takes beside inference: its time to the one in which a single thread infers as many images. That is measured with half of
    them before the run and with half after it, because a shared machine is not equally fast all the time."""
    count = count_images(images)
    print(f"\n{count} images: time of a run with {WORKERS} threads / (images x single-thread inference / {WORKERS})")
    for engine, rounds in OVERHEAD_ROUNDS.items():
        half = [engines, model, str(count // 2 // IMAGES_PER_TURN), engine]
        inferences, runs = [Measured(half).printed], []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(rounds):
                runs.append(run_pomona(images, folder, engine=engine).seconds)
                inferences.append(Measured(half).printed)
        for kind in ["mean", "median"]:
            times = [engine_times(printed, kind)[engine] for printed in inferences]
            ideal = [count * statistics.mean(around) / 1000 / WORKERS for around in pairwise(times)]
            together = sum(runs) / sum(ideal)
            print(
                f"- {engine}, with the {kind} of inference: {summary(ratio(runs, ideal))}; all rounds together {together:.3f}"
            )


def sample(folder, count):
    """A folder with links to every n-th image."""
    paths = sorted(images.rglob("*.jpg"))
    chosen = Path(folder) / f"{count} images"
    for path in paths[:: len(paths) // count][:count]:
        link = chosen / path.relative_to(images)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return chosen


def benchmark_pipelines():
    with tempfile.TemporaryDirectory() as folder:
        benchmark_pipeline(sample(folder, 300), folder)
        benchmark_pipeline(images, folder)


def main():
    parts = {"engines": benchmark_engines, "pipelines": benchmark_pipelines, "overhead": benchmark_overhead}
    print(f"{date.today()}, {cpu()}; medians of {ROUNDS} rounds")
    for part in sys.argv[4:] or parts:
        parts[part]()


main()
