#!/usr/bin/env bash
# Tests the JavaScript package against the vectors that Rust is tested against.
set -euo pipefail
cd "$(dirname "$0")/../sdk/js"
stamp=node_modules/.deepnode-lock
if ! cmp -s package-lock.json "$stamp"; then
    echo "sdk/js: installing ethers 6.17.0, poseidon-lite 0.3.0, @noble/curves and @noble/hashes 2.4.0 with npm ci; about 28 MB in sdk/js/node_modules"
    npm ci --ignore-scripts --no-audit --no-fund
    cp package-lock.json "$stamp"
fi
node --test
