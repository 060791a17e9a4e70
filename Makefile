# Everything that a machine with a Rust toolchain, a C compiler and, for the tests, Python 3.11+ and npm needs to run
# and to test Pomona.

SHELL := /bin/bash
.DEFAULT_GOAL := build
.SHELLFLAGS := -euo pipefail -c

# Weights, photographs and reference results, for the tests and benchmarks that need them.
REFERENCE := ../shared
OUTPUT ?= results
TARGET := $(or $(CARGO_TARGET_DIR),target)
POMONA := $(TARGET)/release/pomona
# What the tests' runners print, for the summary.
LOGS := $(TARGET)/test-logs
PYTHON_READY := .venv/.ready
# The tests' own servers are on this machine, where no proxy leads.
WITHOUT_PROXIES := env $(foreach name,ALL_PROXY HTTPS_PROXY HTTP_PROXY NO_PROXY all_proxy https_proxy http_proxy no_proxy,-u $(name))

# JPEGs are decoded with SIMD where nasm is there at build time, and otherwise twice as slowly; whole images come out
# the same, but a damaged image that is still readable may not. As root on Debian or Ubuntu it is installed; elsewhere
# install it by hand.
.PHONY: assembler
assembler:
	command -v nasm >/dev/null || { apt-get update -qq && apt-get install -y -qq nasm; } || echo 'nasm is missing: JPEGs are decoded without SIMD'

.PHONY: build run test suites lint binaries unit reference static emulator package network world fuzz benchmark browser spark arm64 wheels clean

build: assembler
	cargo build --release --locked --package pomona

# `make run INPUT=folder OUTPUT=folder OPTIONS='--untrained'`; without INPUT on pictures that Pomona draws.
run: build
	$(POMONA) $(if $(INPUT),run $(INPUT) $(OUTPUT) $(OPTIONS),demo)

# All that must hold before a change lands; the last lines say what ran and what did not. The emulator is one Python
# process that keeps half of two cores idle, so the suites run side by side, and each one's lines are shown when it is
# done.
test: forget-logs
	$(MAKE) --no-print-directory suites || { python3 tests/summary.py $(LOGS); echo 'not all suites ran to their end'; exit 1; }
	python3 tests/summary.py $(LOGS)

suites: lint binaries
	echo 'unit tests, static checks, the emulator and the package for Python run side by side'
	$(MAKE) --no-print-directory --jobs=3 --output-sync=target unit static emulator package
	$(MAKE) --no-print-directory reference

.PHONY: forget-logs
forget-logs:
	rm -rf $(LOGS)
	mkdir -p $(LOGS)

lint: assembler
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --workspace --no-deps

# The whole-system tests and the emulator run the programs, which are built with the tests' features, so that nothing is
# compiled twice.
binaries: assembler
	cargo build --release --locked --workspace --all-targets

unit: binaries $(PYTHON_READY)
	mkdir -p $(LOGS)
	$(WITHOUT_PROXIES) cargo test --release --locked --workspace 2>&1 | tee $(LOGS)/unit.txt

# What only the published weights and real photographs can show.
reference: binaries $(PYTHON_READY)
ifneq ($(wildcard $(REFERENCE)),)
	mkdir -p $(LOGS)
	$(WITHOUT_PROXIES) cargo test --release --locked --workspace --test reference -- --ignored 2>&1 | tee $(LOGS)/reference.txt
endif

$(PYTHON_READY): tests/python/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --no-compile --requirement $<
	touch $@

# The workflow on AWS: what infra/ and statemachine/ say, and the real Lambdas in an emulator.
static:
	mkdir -p $(LOGS)
	tests/static/run.sh -rs 2>&1 | tee $(LOGS)/static.txt

emulator: binaries
	mkdir -p $(LOGS)
	tests/emulator/run.sh -rs 2>&1 | tee $(LOGS)/emulator.txt

# The package for Python, in a venv outside the tree.
package: binaries
	mkdir -p $(LOGS)
	tests/package/run.sh -rs 2>&1 | tee $(LOGS)/package.txt

# A failing S3, played by a proxy between the program and the emulator: whole runs through the real SDK. It waits for
# most of twenty minutes, so it is no part of `make test`.
network: binaries
	mkdir -p $(LOGS)
	tests/network/run.sh -rs 2>&1 | tee $(LOGS)/network.txt

# What is too large or too slow for every change.

# As many simulated histories of the workflow as one likes: `make world SEEDS=1000000 FIRST=5000`.
SEEDS ?= 10000
FIRST ?= 0
world: assembler
	cargo build --release --locked --workspace --bin world
	$(TARGET)/release/world $(FIRST) $(SEEDS)

# A search for bytes that are not read as they must be, SECONDS_EACH for each target (tests/fuzz/README.md); what it has
# learned is kept for the next one.
SECONDS_EACH ?= 60
fuzz: assembler $(PYTHON_READY)
	cargo build --release --locked --workspace --bin compare
	tests/fuzz/run.py "$$(tests/fuzz/build.sh)" $(TARGET)/release/compare $(TARGET)/fuzz $(SECONDS_EACH)

benchmark: binaries
	python3 -m venv .venv-benchmark
	.venv-benchmark/bin/pip install --quiet --requirement tests/benchmarks/requirements.txt
	.venv-benchmark/bin/python tests/benchmarks/benchmark.py $(REFERENCE) $(POMONA) $(dir $(POMONA))examples/engines

browser:
	tests/browser/run.sh

spark:
	tests/spark/run.sh

# The NEON kernels and the Lambdas for Graviton, under qemu.
arm64: binaries
	tests/arm64/engine.sh
	tests/arm64/lambdas.sh

# What is published for Python, in wheels/.
wheels: assembler
	tests/package/wheels.sh wheels

clean:
	cargo clean
	rm -rf .venv .venv-* wheels
