#!/usr/bin/env bash
# Holds a running gateway to the clients that people have: tritonclient (KServe v2), openai and mcp, in the pinned
# releases of check-clients.txt, and a sequencer to the Python package, in a devnet with the digits model.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEEPNODE_CACHE=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
venv=$DEEPNODE_CACHE/clients

scripts/setup-python.sh
work=$(mktemp -d "$DEEPNODE_CACHE/check-clients.XXXXXX")
stop() {
    if [ -n "${devnet:-}" ]; then
        kill "$devnet" 2>/dev/null || true
        wait "$devnet" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT
"$programs/deepnode" --json model import models/digits/mlp.onnx --calibration models/digits/calibration.npz \
    -o "$work/digits.dnpkg" >/dev/null
"$programs/deepnode" --json --data-dir "$DEEPNODE_CACHE/data" devnet --model "$work/digits.dnpkg" \
    --state "$work/state" --workers 1 >"$work/devnet.json" 2>"$work/devnet.log" &
devnet=$!
for _ in $(seq 600); do
    [ -s "$work/devnet.json" ] && break
    if ! kill -0 "$devnet" 2>/dev/null; then
        cat "$work/devnet.log" >&2
        exit 1
    fi
    sleep 0.2
done

status=0
timeout 100 node scripts/check-clients/javascript_sdk.js "$work/devnet.json" || status=$?
for client in kserve embeddings agent python_sdk; do
    timeout 100 "$venv/bin/python" "scripts/check-clients/$client.py" "$programs/deepnode" "$work/devnet.json" || {
        status=$?
        tail -20 "$work/state/logs/gateway.log" >&2
        break
    }
done
exit "$status"
