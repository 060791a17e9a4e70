#!/bin/bash
# Builds the program that searches, with what libFuzzer is told by of the code that a file reaches. Any Rust compiler
# does that, and a C++ compiler builds libFuzzer. Prints where the program is.
set -euo pipefail
cd "$(dirname "$0")/../.."

host=$(rustc --print host-tuple)
flags=(-Cpasses=sancov-module)
for what in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$what")
done
flags+=(-Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing)
RUSTFLAGS="${flags[*]}" cargo build --release --locked --package pomona-fuzz --features libfuzzer --bin fuzz --target "$host" >&2
echo "${CARGO_TARGET_DIR:-target}/$host/release/fuzz"
