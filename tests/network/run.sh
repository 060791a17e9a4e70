#!/usr/bin/env bash
# Holds `pomona run s3://... s3://...` against a failing S3. Needs `cargo build --release --package pomona` and python3.
# Arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
"$workspace/tests/aws-venv.sh" .venv-network "$here/requirements.txt"
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
exec "$workspace/.venv-network/bin/python" -m pytest -p no:cacheprovider -q "$@"
