#!/usr/bin/env bash
# Tests every page of the explorer, as the sequencer serves it, in Chromium, on a rollup of its own with one model of each opening scheme, and one that is no picture's.
# PICTURES=1 takes docs/pictures anew. CHROMIUM names the program (Debian: apt-get install chromium).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bin=${DN_PROGRAMS:-${CARGO_TARGET_DIR:-$HOME/.cache/deepnode/target}/debug}
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
export DEEPNODE_ANVIL=${DEEPNODE_ANVIL:-$root/contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil}
if [[ ! -x $CHROMIUM ]]; then
    echo "no $CHROMIUM: install chromium, or set CHROMIUM to one" >&2
    exit 1
fi
"$root/scripts/setup-js.sh"
cd "$root/web"
npm run --silent build

state=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$state"
}
trap finish EXIT

digits=$root/models/digits
for scheme in merged plain; do
    "$bin/deepnode" model import "$digits/mlp.onnx" --calibration "$digits/calibration.npz" --opening "$scheme" \
        -o "$state/$scheme.dnpkg" >/dev/null
done
tabular=$root/models/tabular
"$bin/deepnode" model import "$tabular/wine_mlp.onnx" --calibration "$tabular/wine_calibration.npz" -o "$state/wine.dnpkg" >/dev/null
"$bin/deepnode" devnet --model "$state/merged.dnpkg" --model "$state/plain.dnpkg" --model "$state/wine.dnpkg" --batch 72 --state "$state/net" \
    --data-dir "$state/keys" --web "$root/web/dist" --json >"$state/devnet.json" 2>"$state/devnet.log" &
pids+=($!)
for _ in $(seq 600); do
    grep -q sequencer "$state/devnet.json" && break
    kill -0 "${pids[0]}" 2>/dev/null || { cat "$state/devnet.log" >&2; exit 1; }
    sleep 0.2
done
field() { node -pe "JSON.parse(require('fs').readFileSync('$state/devnet.json'))$1"; }
DN_SEQUENCER=$(field .sequencer)
DN_RPC=$(field .rpc)
export DN_SEQUENCER DN_RPC DN_USER_KEY=$state/net/keys/user-2.key
submit() {
    "$bin/deepnode" task submit --sequencer "$DN_SEQUENCER" --key-file "$state/net/keys/user-$1.key" --model "$2" \
        --inputs "$digits/heldout.npz" --count "$3" --wait proven "${@:4}" >/dev/null 2>&1
}
# More than one chunk to settle, and batches with one that nobody uses.
submit 1 "$(field '.models[0]')" 66
submit 2 "$(field '.models[0]')" 10 --labels
submit 1 "$(field '.models[1]')" 10 --labels

# The sequencer serves the pages itself.
export DN_WEB_URL=$DN_SEQUENCER
# One after the other: what one orders changes what another counts.
node --test --test-concurrency=1 browser/
if [[ -n ${PICTURES:-} ]]; then
    node browser/pictures.js
fi
