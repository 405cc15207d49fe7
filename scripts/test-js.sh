#!/usr/bin/env bash
# Tests the JavaScript package against the vectors that Rust is tested against, and the explorer as far as it needs no browser.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root/sdk/js"
stamp=node_modules/.deepnode-lock
if ! cmp -s package-lock.json "$stamp"; then
    echo "sdk/js: installing ethers 6.17.0, poseidon-lite 0.3.0, @noble/curves and @noble/hashes 2.4.0 with npm ci; about 28 MB in sdk/js/node_modules"
    npm ci --ignore-scripts --no-audit --no-fund
    cp package-lock.json "$stamp"
fi
node --test

"$root/scripts/setup-web.sh"
cd "$root/web"
npm run --silent check
npm test --silent
npm run --silent build
