# Everything that a machine with a Rust toolchain, a C compiler and, for the tests, Python 3.11+ and npm needs to run and to test Pomona.

SHELL := /bin/bash
.DEFAULT_GOAL := build
.SHELLFLAGS := -euo pipefail -c

REFERENCE := ../shared
INPUT ?= $(wildcard $(REFERENCE)/images/fruits-360)
OUTPUT ?= results
POMONA := $(or $(CARGO_TARGET_DIR),target)/release/pomona
PYTHON_READY := .venv/.ready

export POMONA_MODEL ?= $(wildcard $(REFERENCE)/models/mobilenet_v2_1.0_224_features.onnx)
ifeq ($(POMONA_MODEL),)
unexport POMONA_MODEL
endif

# JPEGs are decoded with SIMD where nasm is there at build time, and otherwise twice as slowly; whole images come out the same, but a
# damaged image that is still readable may not. As root on Debian or Ubuntu it is installed; elsewhere install it by hand.
.PHONY: assembler
assembler:
	command -v nasm >/dev/null || { apt-get update -qq && apt-get install -y -qq nasm; } || echo 'nasm is missing: JPEGs are decoded without SIMD'

.PHONY: build run test lint unit static emulator benchmark browser spark arm64 clean

build: assembler
	cargo build --release --locked --package pomona

# `make run INPUT=folder OUTPUT=folder`; without INPUT the reference photographs, or else pictures that Pomona draws.
run: build
ifeq ($(INPUT),)
	$(POMONA) demo
else
	$(POMONA) run $(INPUT) $(OUTPUT)
endif

# All that must hold before a change lands.
test: lint unit static emulator

lint: assembler
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

# The whole-system tests run the program, so it is built first, and with the tests' features, so that nothing is compiled twice.
unit: assembler $(PYTHON_READY)
	cargo build --release --locked --workspace --all-targets
	cargo test --release --locked --workspace

$(PYTHON_READY): tests/python/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement $<
	touch $@

# The workflow on AWS: what infra/ and statemachine/ say, and the real Lambdas in an emulator.
static:
	tests/static/run.sh

emulator:
	cargo build --release --locked --workspace --all-targets
	tests/emulator/run.sh

# What is too large or too slow for every change.

benchmark: assembler
	python3 -m venv .venv-benchmark
	.venv-benchmark/bin/pip install --quiet --requirement tests/benchmarks/requirements.txt
	cargo build --release --locked --workspace --all-targets
	.venv-benchmark/bin/python tests/benchmarks/benchmark.py $(REFERENCE) $(POMONA) $(dir $(POMONA))examples/engines

browser:
	tests/browser/run.sh

spark:
	tests/spark/run.sh

# The NEON kernels and the Lambdas for Graviton, under qemu.
arm64:
	cargo build --release --locked --workspace --all-targets
	tests/arm64/engine.sh
	tests/arm64/lambdas.sh

clean:
	cargo clean
	rm -rf .venv .venv-*
