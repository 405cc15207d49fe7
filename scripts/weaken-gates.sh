#!/usr/bin/env bash
# Leaves out each constraint of the circuit in turn and expects the soundness tests to fail.
# Prints the constraints whose removal no test notices; exits with 1 if there are any.
#
#   scripts/weaken-gates.sh            every constraint
#   scripts/weaken-gates.sh default:17 narrow:42 wide:80 ...  some of them
set -euo pipefail
cd "$(dirname "$0")/.."

run() { cargo test --quiet --package dn-circuits --locked --lib -- "$@"; }

# Layout and index, gate and name, one a line.
constraints=$(run tests::weakening::lists_the_constraints --exact --nocapture | sed -n 's/^constraint //p')
[[ -n $constraints ]] || { echo "no constraints found" >&2; exit 2; }

# The quick tests first; the whole suite only where they stay green.
notices() {
    ! DN_WEAKEN=$1 run tests::weakening:: >/dev/null 2>&1 || ! DN_WEAKEN=$1 run >/dev/null 2>&1
}

if ! run tests::weakening:: >/dev/null 2>&1; then
    echo "the tests fail on the whole circuit already" >&2
    exit 2
fi

unnoticed=0
while read -r index name; do
    if (( $# > 0 )) && [[ ! " $* " == *" $index "* ]]; then continue; fi
    if notices "$index"; then
        echo "noticed    $index  $name"
    else
        echo "UNNOTICED  $index  $name"
        unnoticed=$((unnoticed + 1))
    fi
done <<<"$constraints"

echo "$unnoticed constraints can be left out unnoticed"
(( unnoticed == 0 ))
