#!/usr/bin/env bash
# PySpark reads what a run writes, its classifier is the run's, and the example's job makes the run's features. Not part
# of `make test`, because PySpark is large (some 400 MB) and needs Java 17 or newer.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/package/maturin.sh

python3 -m venv .venv-spark
.venv-spark/bin/pip install --quiet --requirement tests/spark/requirements.txt
cargo build --release --locked --workspace --all-targets

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
maturin build --quiet --release --locked --compatibility linux --manifest-path functions/python/Cargo.toml --out "$work"
# Its version stays the same while it changes.
.venv-spark/bin/pip install --quiet --force-reinstall --no-deps "$work"/pomona-*.whl
pomona=${CARGO_TARGET_DIR:-target}/release/pomona
"$pomona" --quiet demo "$work/demo" --untrained
"$pomona" --quiet run "$work/demo/images" "$work/results" --untrained --limit 60 --shard-size 20 --components 5 --csv all
.venv-spark/bin/python tests/spark/check_spark.py "$work/results"

# Few images to learn from, so that there are mistakes. Nothing holds the weights down where labels overlap in a few
# components, and it runs until it has converged; even so the minimum is flat, and with other options one image may be
# taken for another label than by Spark.
"$pomona" --quiet run "$work/demo/images" "$work/classifier" --untrained --classify --train-share 0.15 \
    --regularization 0.01
.venv-spark/bin/python tests/spark/check_classifier.py "$work/classifier"
"$pomona" --quiet run "$work/demo/images" "$work/classifier" --untrained --classify --components 4 \
    --classify-on components --max-iterations 1000
.venv-spark/bin/python tests/spark/check_classifier.py "$work/classifier"

# The demo's own run was without the broken image.
head -c 300 "$work/demo/images/Blue Tarn/025.png" > "$work/demo/images/Blue Tarn/cut.png"
PYSPARK_PYTHON=$PWD/.venv-spark/bin/python UNTRAINED=1 .venv-spark/bin/python functions/python/examples/spark.py \
    "$work/demo/images" "$work/features"
.venv-spark/bin/python tests/spark/check_extractor.py "$work/demo" "$work/features"
