#!/usr/bin/env bash
# Checks infra/ and statemachine/ without AWS: cfn-lint, asl-validator, checkov, and what they must say together. Needs
# python3 and npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
"$workspace/tests/aws-venv.sh" .venv-static "$here/requirements.txt"
"$workspace/tests/aws-venv.sh" .venv-checkov "$here/checkov.txt"
[ -d "$here/node_modules/asl-validator" ] || npm --prefix "$here" ci --silent --no-audit --no-fund
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
"$workspace/.venv-static/bin/cfn-lint" "$workspace/infra/template.yaml"
# What is not mended is skipped in the template, each with its reason.
"$workspace/.venv-checkov/bin/checkov" --file "$workspace/infra/template.yaml" --framework cloudformation --compact --quiet --skip-download
exec "$workspace/.venv-static/bin/python" -m pytest -p no:cacheprovider -q "$@"
