#!/usr/bin/env bash
# PySpark reads what a run writes. Not part of `make test`, because PySpark is large (some 400 MB) and needs Java 17 or
# newer.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-spark
.venv-spark/bin/pip install --quiet --requirement tests/spark/requirements.txt
cargo build --release --locked --workspace --all-targets

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pomona=${CARGO_TARGET_DIR:-target}/release/pomona
"$pomona" --quiet demo "$work/demo" --untrained
"$pomona" --quiet run "$work/demo/images" "$work/results" --untrained --limit 60 --shard-size 20 --components 5 --csv all
.venv-spark/bin/python tests/spark/check_spark.py "$work/results"
