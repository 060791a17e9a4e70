#!/usr/bin/env bash
# Measures the Lambdas on the emulator (see measure.py). Needs `cargo build --release --workspace` and a machine with
# nothing else to do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
"$workspace/tests/aws-venv.sh" .venv-aws "$here/requirements.txt"
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
exec "$workspace/.venv-aws/bin/python" measure.py
