#!/usr/bin/env bash
# Fetches the npm packages of the JavaScript package and of the explorer.
set -euo pipefail
cd "$(dirname "$0")/.."
fetch() { # folder, what comes
    local stamp=$1/node_modules/.deepnode-lock
    cmp -s "$1/package-lock.json" "$stamp" && return
    echo "$1: installing $2 with npm ci, in $1/node_modules"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund)
    cp "$1/package-lock.json" "$stamp"
}
fetch sdk/js "ethers 6.17.0, poseidon-lite 0.3.0, @noble/curves and @noble/hashes 2.4.0, typescript 5.9.3; about 52 MB"
fetch web "the same, svelte and vite to build with, playwright-core and axe-core to test with; about 135 MB"
