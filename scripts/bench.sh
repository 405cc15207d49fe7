#!/usr/bin/env bash
# Proves and verifies batches of several nets: a table on stdout, the JSON behind it in bench.json of the cache.
# NETS="lenet-max:72 digits:64" chooses some, LAYOUT=narrow or LAYOUT=wide the layout, OPENING=plain or OPENING=merged how
# columns are opened. Each runs in a process of its own, so peak memory is its own.
set -euo pipefail
cd "$(dirname "$0")/.."
default="digits:1 digits:16 digits:64 digits:256 digits:1024 784-128-10:256 lenet-avg:96 lenet-max:72 conv3:72 mobilenet:24 resnet20:16"
cargo build --quiet --locked -p deepnode
cargo build --quiet --locked -p dn-e2e --bin nets
bin="$CARGO_TARGET_DIR/debug"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
digits=models/digits layout=${LAYOUT:-default} opening=${OPENING:-merged}
"$bin/deepnode" model import "$digits/mlp.onnx" --calibration "$digits/calibration.npz" --heldout "$digits/heldout.npz" \
    --layout "$layout" --opening "$opening" -o "$work/digits.dnpkg" >"$work/import.log"
export DEEPNODE_DATA_DIR="$work/data"
at=0
for job in ${NETS:-$default}; do
    net=${job%:*} batch=${job#*:} at=$((at + 1))
    echo "proving $batch of $net" >&2
    if [ "$net" = digits ]; then
        python3 scripts/repeat-inputs.py "$digits/heldout.npz" "$work/digits.npz" "$batch"
    else
        "$bin/nets" "$net" "$batch" "$work" "$layout" "$opening"
    fi
    "$bin/deepnode" model prove "$work/$net.dnpkg" --inputs "$work/$net.npz" --batch "$batch" -o "$work/proof" --json >"$work/prove-$at.json"
    "$bin/deepnode" model verify "$work/$net.dnpkg" "$work/proof" --evm --json >"$work/verify-$at.json"
    echo "$net" >"$work/name-$at"
    rm -rf "$work/data/keys"
done
python3 scripts/bench-table.py "$work" "$DEEPNODE_CACHE/bench.json"
