#!/usr/bin/env bash
# The engine's tests for 64-bit ARM (Graviton), emulated: the NEON kernels against plain loops, plain tract and the
# refusals of models. Takes the Rust target, a cross compiler and qemu's user mode; on Debian and Ubuntu as root it
# installs what is missing, elsewhere it says what to install.
#
#     tests/aarch64.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=aarch64-unknown-linux-gnu
readonly COMPILER=aarch64-linux-gnu-gcc
readonly EMULATOR=qemu-aarch64
readonly PACKAGES=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)

missing() {
    ! command -v "$COMPILER" >/dev/null || ! command -v "$EMULATOR" >/dev/null
}

if missing && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    apt-get install -y -qq "${PACKAGES[@]}"
fi
if missing; then
    echo "needs $COMPILER and $EMULATOR; on Debian: apt-get install ${PACKAGES[*]}" >&2
    exit 1
fi
rustup target add "$TARGET"

export CC_aarch64_unknown_linux_gnu=$COMPILER
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$COMPILER
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$EMULATOR -L /usr/aarch64-linux-gnu"

test_engine() {
    cargo test --release --locked --target "$TARGET" -p pomona-vision "$@"
}
test_engine --lib engine::
test_engine --test engine --test engine_models --test engine_allocations
