# Sourced by what builds wheels, at the top of the tree: maturin, with zig for other machines than this one.
[ -x .venv-wheels/bin/maturin ] || python3 -m venv .venv-wheels
.venv-wheels/bin/pip install --quiet --requirement tests/package/maturin.txt
export PATH="$PWD/.venv-wheels/bin:$PATH"
