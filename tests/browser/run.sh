#!/usr/bin/env bash
# Opens the reports of a few runs in headless Chromium. Needs `cargo build --release` and python3; installs Debian's
# chromium where it is missing. Screenshots go into the folder SCREENSHOTS, or else a temporary one that is named at the
# end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
pomona="${CARGO_TARGET_DIR:-$workspace/target}/release/pomona"
screenshots=${SCREENSHOTS:-$(mktemp -d)}

if ! command -v chromium >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq chromium
fi
"$workspace/tests/aws-venv.sh" .venv-browser "$here/requirements.txt"

runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
"$here/make_runs.sh" "$pomona" "$runs"
"$workspace/.venv-browser/bin/python" "$here/check_reports.py" "$runs" "$screenshots"
echo "screenshots: $screenshots"
