# What runs programs for 64-bit ARM here: the Rust target, a cross compiler with its C library, qemu's user mode. On
# Debian and Ubuntu as root it installs what is missing, elsewhere it says what to install. To be sourced.

readonly TARGET=aarch64-unknown-linux-gnu
readonly COMPILER=aarch64-linux-gnu-gcc
readonly EMULATOR=qemu-aarch64
readonly LIBRARIES=/usr/aarch64-linux-gnu
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
