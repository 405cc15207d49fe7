#!/bin/sh
# Checks the format of the contracts, builds them, runs every forge test, and compares what is deployed with them.
# Calls the native forge: the npm launcher hides a failing exit status. Fails when no test ran.
set -eu
cd "$(dirname "$0")"
./setup.sh
forge="$PWD/node_modules/@foundry-rs/forge-linux-amd64/bin/forge"

"$forge" fmt --check src test
report=$(mktemp)
built=$(mktemp -d)
trap 'rm -rf "$report" "$built"' EXIT
if ! "$forge" test "$@" >"$report" 2>&1; then
    cat "$report"
    exit 1
fi
cat "$report"
grep -Eq '[1-9][0-9]* tests? passed' "$report" || {
    echo "contracts: no test ran" >&2
    exit 1
}

# The gas of whole transactions is what .gas-snapshot says; `forge snapshot --match-contract GasTest` writes it anew.
"$forge" snapshot --check --match-contract GasTest

./export-abi.sh "$built" >/dev/null
diff -rq "$built" ../sdk/abi || {
    echo "contracts: sdk/abi is not what the sources compile to; run contracts/export-abi.sh" >&2
    exit 1
}
