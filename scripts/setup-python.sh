#!/usr/bin/env bash
# Installs the pinned releases of check-clients.txt, with which people's programs ask, and the Python package of this tree.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}/clients
pins=scripts/check-clients.txt

if ! cmp -s "$pins" "$venv/installed.txt"; then
    echo "python: installing the pinned releases of $pins, which ask the network as people's programs do"
    echo "python: about 30 seconds, 300 MB in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement "$pins"
    cp "$pins" "$venv/installed.txt"
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./sdk/python
