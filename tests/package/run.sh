#!/usr/bin/env bash
# The package for Python as users have it, in a venv outside the tree; but for `as-tested`, by which nothing is compiled
# twice and nothing behaves otherwise; wheels.sh makes wheels without it.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/package/maturin.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# For this machine alone, so that it is made of what the other suites have compiled.
maturin build --quiet --release --locked --compatibility linux --features as-tested \
    --manifest-path functions/python/Cargo.toml --out "$work"
python3 -m venv "$work/venv"
export PATH="$work/venv/bin:$PATH"
pip install --quiet --requirement tests/package/requirements.txt
pip install --quiet "$work"/pomona-*.whl
cp -r functions/python/examples tests/package/*.py "$work"
cd "$work"
export PYTHONDONTWRITEBYTECODE=1 MPLBACKEND=Agg
python -m pytest -p no:cacheprovider -q "$@"
