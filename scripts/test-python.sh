#!/usr/bin/env bash
# Types and tests of the Python package, installed as people install it, among the pinned releases of check-clients.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEEPNODE_CACHE=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
scripts/setup-python.sh
venv=$DEEPNODE_CACHE/clients
cd sdk/python
"$venv/bin/mypy" --cache-dir "$DEEPNODE_CACHE/mypy"
"$venv/bin/python" -B -m unittest discover -s tests
