#!/usr/bin/env bash
# Runs every `sh` block of docs/book/start as it stands, page by page, against a devnet of its own. What a page starts is
# its own to stop. Takes about a minute and a half.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
bin=${CARGO_TARGET_DIR:-$cache/target}/debug
export PATH=$bin:$PATH LIBTORCH=${LIBTORCH:-$cache/libtorch} DEEPNODE_DATA_DIR=$cache/data
work=$(mktemp -d)
devnet=
stop() {
    [[ -z $devnet ]] || { kill -INT "$devnet" 2>/dev/null && wait "$devnet" || true; }
    rm -rf "$work"
}
trap stop EXIT

# The pages' folder: the project's files, and nothing of what they write stays there.
for entry in models docs sdk contracts sequencer; do ln -s "$PWD/$entry" "$work/$entry"; done
pages=$PWD/docs/book/start
cd "$work"
deepnode --json model import models/digits/mlp.onnx --calibration models/digits/calibration.npz -o digits.dnpkg >/dev/null 2>import.log || { cat import.log; exit 1; }
deepnode --json devnet --model digits.dnpkg --state devnet >devnet.json 2>devnet.log &
devnet=$!
for _ in $(seq 120); do
    [[ -s devnet.json ]] && break
    kill -0 "$devnet" 2>/dev/null || { cat devnet.log; exit 1; }
    sleep 0.5
done
address() { python3 -c 'import json, sys; print(json.load(open("devnet.json"))[sys.argv[1]])' "$1"; }
DN_SEQUENCER_URL=$(address sequencer)
DN_RPC_URL=$(address rpc)
export DN_SEQUENCER_URL DN_RPC_URL

failed=0
for page in "$pages"/*.md; do
    name=$(basename "$page" .md)
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$page" >"$name.sh"
    [[ -s $name.sh ]] || continue
    if grep -q '^curl ' "$name.sh" && ! command -v curl >/dev/null; then
        echo "start $name: not run, it needs curl: apt-get install curl"
        continue
    fi
    begun=$SECONDS
    if timeout 180 bash -eu -o pipefail -x "$name.sh" >"$name.log" 2>&1; then
        echo "start $name: ok, $((SECONDS - begun)) s"
    else
        echo "start $name: FAILED, rc $?"
        tail -n 40 "$name.log"
        failed=1
    fi
done
exit "$failed"
