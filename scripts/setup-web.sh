#!/usr/bin/env bash
# Fetches the npm packages that the explorer is built with.
set -euo pipefail
cd "$(dirname "$0")/../web"
stamp=node_modules/.deepnode-lock
if ! cmp -s package-lock.json "$stamp"; then
    echo "web: installing svelte, vite, ethers and what tests need with npm ci; about 135 MB in web/node_modules"
    npm ci --ignore-scripts --no-audit --no-fund
    cp package-lock.json "$stamp"
fi
