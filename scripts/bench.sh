#!/usr/bin/env bash
# Proves and verifies batches of the digits model; one JSON object per batch on stdout.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p deepnode
deepnode="$CARGO_TARGET_DIR/debug/deepnode"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
digits=models/digits
grep -m1 'model name' /proc/cpuinfo >&2 || true
echo "cores: $(nproc)" >&2
"$deepnode" model import "$digits/mlp.onnx" --calibration "$digits/calibration.npz" --heldout "$digits/heldout.npz" -o "$work/digits.dnpkg" >&2
export DEEPNODE_DATA_DIR="$work/data"
for batch in 1 16 64 256; do
    "$deepnode" model prove "$work/digits.dnpkg" --inputs "$digits/heldout.npz" --batch "$batch" -o "$work/proof" --json
    "$deepnode" model verify "$work/digits.dnpkg" "$work/proof" --evm --json
done
