#!/bin/sh
# Checks the format of the contracts, builds them and runs every forge test.
# Calls the native forge: the npm launcher hides a failing exit status. Fails when no test ran.
set -eu
cd "$(dirname "$0")"
./setup.sh
forge="$PWD/node_modules/@foundry-rs/forge-linux-amd64/bin/forge"

"$forge" fmt --check src test
report=$(mktemp)
trap 'rm -f "$report"' EXIT
if ! "$forge" test "$@" >"$report" 2>&1; then
    cat "$report"
    exit 1
fi
cat "$report"
grep -Eq '[1-9][0-9]* tests? passed' "$report" || {
    echo "contracts: no test ran" >&2
    exit 1
}
