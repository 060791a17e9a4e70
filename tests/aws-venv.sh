#!/usr/bin/env bash
# aws-venv.sh NAME REQUIREMENTS: a virtual environment at the workspace root that holds just these packages; made anew
# when they change.
set -euo pipefail
workspace=$(cd "$(dirname "$0")/.." && pwd)
venv=$workspace/$1
if ! cmp -s "$2" "$venv/installed.txt"; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    echo '*' > "$venv/.gitignore"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$2"
    cp "$2" "$venv/installed.txt"
fi
