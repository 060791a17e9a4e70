#!/usr/bin/env bash
# The Lambdas as they are deployed to Graviton: built by cargo-lambda with zig, each zip below 20 MB; then list-batch,
# emulated, computes a run in the emulator of AWS, whose result is that of this machine byte for byte. Needs `cargo
# build --release --workspace` and python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/arm64/qemu.sh
tests/aws-venv.sh .venv-arm64 tests/arm64/requirements.txt
export PATH="$PWD/.venv-arm64/bin:$PATH"

readonly BUILT=${CARGO_TARGET_DIR:-target}
readonly MOST_BYTES=20000000

cargo lambda build --release --locked --arm64 --output-format zip \
    -p pomona-plan -p pomona-list-batch -p pomona-sweep -p pomona-reduce -p pomona-project-map -p pomona-report -p pomona-erase -p pomona-trigger
for zip in "$BUILT"/lambda/pomona-*/bootstrap.zip; do
    bytes=$(stat --format %s "$zip")
    echo "$(basename "$(dirname "$zip")"): $bytes bytes"
    [ "$bytes" -lt "$MOST_BYTES" ] || { echo "larger than $MOST_BYTES bytes" >&2; exit 1; }
done

binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
ln -s "$(realpath "$BUILT")"/release/pomona{,-plan,-reduce,-project-map,-report,-trigger} "$binaries"
python -m zipfile --extract "$BUILT/lambda/pomona-list-batch/bootstrap.zip" "$binaries/arm64"
chmod +x "$binaries/arm64/bootstrap"
printf '#!/bin/sh\nexec %s -L %s %s/arm64/bootstrap\n' "$EMULATOR" "$LIBRARIES" "$binaries" > "$binaries/pomona-list-batch"
chmod +x "$binaries/pomona-list-batch"
POMONA_BINARIES="$binaries" tests/emulator/run.sh -k three_images
