#!/bin/sh
# Installs the contract tools into contracts/node_modules; does nothing when they are there.
set -eu
cd "$(dirname "$0")"

stamp=node_modules/.deepnode-lock
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then
    exit 0
fi
echo "contracts: installing forge, cast, anvil 1.7.1, solc 0.8.30 and OpenZeppelin 5.7.0 with npm ci"
echo "contracts: needed to build and test the contracts and to run a dev chain; about 200 MB in contracts/node_modules"
npm ci --ignore-scripts --no-audit --no-fund
cp package-lock.json "$stamp"
