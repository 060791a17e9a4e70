#!/usr/bin/env python3
"""Searches with libFuzzer, a time for each target, and tells what came of it.

    tests/fuzz/run.py PROGRAM COMPARE FOLDER SECONDS [TARGET]...

PROGRAM and COMPARE are those that `make fuzz` builds; FOLDER keeps what it works with from one search to the next:
`corpus`, which grows, `findings`, `logs`. Exits with 1 where anything was found. JOBS searches run at once, 1 where
that is not set.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ORACLE = PROJECT / "shared/vision/tests/pixels_oracle.py"
KEPT = Path(__file__).resolve().parent / "kept"
PYTHON = os.environ.get("POMONA_PYTHON", PROJECT / ".venv/bin/python")

DECODERS = {"jpeg": ["jpg"], "png": ["png"], "gif": ["gif"], "bmp": ["bmp"], "tiff": ["tiff"], "webp": ["webp"]}
TARGETS = [
    *DECODERS,
    *["onnx", "npy", "tar", "zip", "table", "labels", "list", "inventory", "listing", "moments", "plan", "part"],
    *["model", "classifier", "state", "output", "uploads", "events", "options", "flags"],
]
# Of a processor, with the targets' own checks, by instrumented code. libFuzzer knows only the clock on the wall, which
# says little where others are at work.
SECONDS_A_FILE = 10
SECONDS_ON_THE_WALL = 60
# What libFuzzer calls a file that took longer on the wall than it is told, and that it goes on behind.
SLOW = "slow-unit-*"
MEGABYTES = 1536
LONGEST_FILE = 1 << 15
# A picture of few bytes is changed more often, and in all its bytes.
LONGEST_SEED = 2_000
SEED = "20180507"
# libFuzzer's exit codes: a panic or a signal, memory, time.
TOO_SLOW, TOO_LARGE, PANIC = 70, 71, 77
FAILURES = {TOO_SLOW: "too slow", TOO_LARGE: "too much memory", PANIC: "panic"}
MOST_FINDINGS = 20


def write_seeds(program, folder):
    """Those of the product's writers, and pictures by Pillow; anew for each search, as either may have changed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = os.environ | {"POMONA_FUZZ": "seeds", "POMONA_FUZZ_FOLDER": str(folder)}
    subprocess.run([program], env=environment, check=True)
    drawn = folder / ".drawn"
    drawn.mkdir()
    subprocess.run([PYTHON, ORACLE, "variants", drawn, SEED], check=True)
    subprocess.run([PYTHON, ORACLE, "turned", drawn, SEED], check=True)
    for kind, endings in DECODERS.items():
        if kind != "jpeg":
            subprocess.run([PYTHON, ORACLE, "odd", drawn, SEED, "300", kind], check=True)
        pictures = [path for path in drawn.iterdir() if path.suffix[1:] in endings]
        for number, path in enumerate(sorted(pictures)):
            if path.stat().st_size <= LONGEST_SEED:
                path.rename(folder / kind / f"drawn-{number}")
    longer = [path for target in TARGETS for path in (folder / target).iterdir() if path.stat().st_size > LONGEST_FILE]
    if longer:
        sys.exit(f"a search would cut these: {longer}")


def search_once(program, folder, target, seconds):
    """libFuzzer until its time is over or it has found something; its exit code, log, CPU seconds and megabytes."""
    corpus, findings = folder / "corpus" / target, folder / "findings" / target
    for path in (corpus, findings):
        path.mkdir(parents=True, exist_ok=True)
    seeds = [folder / "seeds" / target, *[path for path in [KEPT / target] if path.is_dir()]]
    limits = [f"-timeout={SECONDS_ON_THE_WALL}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST_FILE}"]
    limits.append(f"-report_slow_units={SECONDS_A_FILE}")
    others = [f"-max_total_time={seconds}", f"-artifact_prefix={findings}/", "-print_final_stats=1", "-reload=0"]
    log = folder / "logs" / f"{target}-{time.time_ns()}"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as out:
        running = subprocess.Popen(
            [program, corpus, *seeds, *limits, *others],
            env=os.environ | {"POMONA_FUZZ": target},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return running.returncode, log.read_text(errors="replace"), cpu, usage.ru_maxrss // 1024


def processor_seconds(program, target, file):
    running = subprocess.Popen(
        [program, file, "-timeout=0"], env=os.environ | {"POMONA_FUZZ": target}, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def slow_files(program, folder, target):
    """What took too long of a processor in the search before; what only took long beside others is forgotten."""
    for file in (folder / "findings" / target).glob(SLOW):
        if processor_seconds(program, target, file) > SECONDS_A_FILE:
            yield file.rename(file.with_name(file.name.replace("slow-unit", "too-slow")))
        else:
            file.unlink()


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def search(program, folder, target, seconds):
    """A target's time, begun anew after each finding."""
    end, executions, cpu, peak, slowest, coverage, corpus = time.monotonic() + seconds, 0, 0.0, 0, 0, 0, 0
    findings, caught = [], set()
    while (left := int(end - time.monotonic())) > 0 and len(findings) < MOST_FINDINGS:
        code, log, used, megabytes = search_once(program, folder, target, left)
        executions += number(r"stat::number_of_executed_units:\s+(\d+)", log) or number(r"(?m)^#(\d+)", log)
        slowest = max(slowest, number(r"stat::slowest_unit_time_sec:\s+(\d+)", log))
        coverage, corpus = number(r"cov: (\d+)", log) or coverage, number(r"corp: (\d+)", log) or corpus
        cpu, peak = cpu + used, max(peak, megabytes)
        caught |= set(re.findall(r"caught: panicked at (/[^:]+:\d+)", log))
        findings += [f"{FAILURES[TOO_SLOW]}: {file}" for file in slow_files(program, folder, target)]
        if code:
            file = (re.findall(r"Test unit written to (\S+)", log) or ["no file"])[-1]
            if code != TOO_SLOW or processor_seconds(program, target, file) > SECONDS_A_FILE:
                findings.append(f"{FAILURES.get(code, f'exit code {code}')}: {file}")
    row = f"{target:<11}{executions:>10}{corpus:>8}{coverage:>9}{slowest:>6}{peak:>6}{cpu:>8.0f}{len(caught):>7}"
    return target, f"{row}{len(findings):>9}", findings, caught


def differing(compare, folder):
    """Each decoder's corpus with Pillow; the decoders whose pixels differ."""
    differ = []
    for decoder in DECODERS:
        print(f"{decoder}:", flush=True)
        if subprocess.run([compare, folder / "corpus" / decoder]).returncode:
            differ.append(decoder)
    return differ


def main(program, compare, folder, seconds, *targets):
    folder = Path(folder)
    write_seeds(program, folder / "seeds")
    targets = targets or TARGETS
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        results = list(pool.map(lambda target: search(program, folder, target, int(seconds)), targets))
    print("target     executions  corpus coverage  slow    MB   CPU s caught findings")
    for _, row, _, _ in results:
        print(row)
    for target, _, findings, caught in results:
        for place in sorted(caught):
            print(f"{target}: others' code panicked, and it was caught: {place}")
        for finding in findings:
            print(f"{target}: {finding}")
    differ = differing(compare, folder)
    sys.exit(1 if differ or any(findings for _, _, findings, _ in results) else 0)


main(*sys.argv[1:])
