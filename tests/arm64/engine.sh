#!/usr/bin/env bash
# The engine's tests for 64-bit ARM (Graviton), emulated: the NEON kernels against plain loops, plain tract and the
# refusals of models; and whether untrained weights have the same bytes there.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/arm64/qemu.sh

export CC_aarch64_unknown_linux_gnu=$COMPILER
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$COMPILER
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$EMULATOR -L $LIBRARIES"

cargo test --release --locked --target "$TARGET" -p pomona-vision --lib --test engine --test engine_models --test engine_allocations
cargo test --release --locked --target "$TARGET" -p pomona-weights --lib untrained
