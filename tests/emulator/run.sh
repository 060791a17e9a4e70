#!/usr/bin/env bash
# Deploys the template to the emulator and runs the real Lambdas there. Needs `cargo build --release --workspace` and
# python3. Arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
"$workspace/tests/aws-venv.sh" .venv-aws "$here/requirements.txt"
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
exec "$workspace/.venv-aws/bin/python" -m pytest -p no:cacheprovider -q "$@"
