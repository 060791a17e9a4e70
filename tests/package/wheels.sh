#!/usr/bin/env bash
# wheels.sh FOLDER: wheels for all Pythons from 3.10 on Linux with glibc 2.17 or newer, for Intel and for ARM, built by zig, each below
# 25 MB.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/package/maturin.sh

readonly MOST_BYTES=25000000

for target in {x86_64,aarch64}-unknown-linux-gnu; do
    rustup target add "$target"
    maturin build --release --locked --zig --compatibility manylinux2014 --target "$target" \
        --manifest-path functions/python/Cargo.toml --out "$1"
done
for wheel in "$1"/pomona-*.whl; do
    bytes=$(stat --format %s "$wheel")
    echo "$(basename "$wheel"): $bytes bytes"
    [ "$bytes" -lt "$MOST_BYTES" ] || { echo "larger than $MOST_BYTES bytes" >&2; exit 1; }
done
