#!/usr/bin/env bash
# Imports, proves and verifies, natively and in the EVM, one batch of every model in models/ that is not a digits classifier of its
# own folder; one line each: error and accuracy on held-out data, rows, CPU time per inference as measured, gas.
# MODELS="tabular/wine_mlp keywords/keywords" chooses some, BATCH the batch size (32).
set -euo pipefail
cd "$(dirname "$0")/.."
default="tabular/wine_mlp tabular/wine_forest tabular/wine_boosted tabular/cancer_mlp tabular/cancer_forest tabular/cancer_boosted
pictures/autoencoder pictures/generator pictures/mobilenet_v3 keywords/keywords"
bin=${DEEPNODE:-}
if [ -z "$bin" ]; then
    cargo build --quiet --locked -p deepnode
    bin=$CARGO_TARGET_DIR/debug/deepnode
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DEEPNODE_DATA_DIR="$work/data"
data() { # model, part
    local folder=models/${1%/*} name=${1#*/}
    for file in "$folder/${name}_$2.npz" "$folder/${name%%_*}_$2.npz" "$folder/$2.npz"; do
        if [ -f "$file" ]; then
            echo "$file"
            return
        fi
    done
}
for model in ${MODELS:-$default}; do
    heldout=$(data "$model" heldout)
    "$bin" model import "models/$model.onnx" --calibration "$(data "$model" calibration)" --heldout "$heldout" -o "$work/model" --json \
        >"$work/import.json" 2>/dev/null
    "$bin" model prove "$work/model" --inputs "$heldout" --batch "${BATCH:-32}" -o "$work/proof" --json >"$work/prove.json"
    "$bin" model verify "$work/model" "$work/proof" --evm --json >"$work/verify.json"
    python3 - "$model" "$work" <<'END'
import json, sys
name, work = sys.argv[1:]
told, proof, verdict = (json.load(open(f"{work}/{part}.json")) for part in ("import", "prove", "verify"))
accuracy = f"{told['accuracy_float']:.4f} {told['accuracy']:.4f}" if "accuracy" in told else "- -"
each = 1e3 * proof["cpu_s"] / proof["batch"]
print(f"{name:24} error {told['error']:.3f} accuracy {accuracy} k {proof['k']} CPU ms each {each:.1f} gas {verdict['gas']}", flush=True)
END
done
