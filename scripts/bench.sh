#!/usr/bin/env bash
# Proves and verifies batches of the digits model: a table on stdout, the JSON behind it in bench.json of the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p deepnode
deepnode="$CARGO_TARGET_DIR/debug/deepnode"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
digits=models/digits
"$deepnode" model import "$digits/mlp.onnx" --calibration "$digits/calibration.npz" --heldout "$digits/heldout.npz" \
    -o "$work/digits.dnpkg" >"$work/import.log"
export DEEPNODE_DATA_DIR="$work/data"
for batch in ${BATCHES:-1 16 64 256}; do
    echo "proving $batch" >&2
    "$deepnode" model prove "$work/digits.dnpkg" --inputs "$digits/heldout.npz" --batch "$batch" -o "$work/proof" --json >"$work/prove-$batch.json"
    "$deepnode" model verify "$work/digits.dnpkg" "$work/proof" --evm --json >"$work/verify-$batch.json"
done
python3 - "$work" "$DEEPNODE_CACHE/bench.json" <<'PY'
import json, os, pathlib, platform, re, sys

work, output = map(pathlib.Path, sys.argv[1:])
cpu = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
machine = f"{cpu.group(1) if cpu else platform.processor()}, {os.cpu_count()} cores"
rows = []
for proved in sorted(work.glob("prove-*.json"), key=lambda p: int(p.stem.split("-")[1])):
    row = json.loads(proved.read_text())
    row["gas"] = json.loads((work / proved.name.replace("prove", "verify")).read_text())["gas"]
    rows.append(row)
print(f"digits MLP 64-32-10, {machine}")
print("zero-knowledge, hashing and the prover's check of its own proof included\n")
print("| batch | CPU s per proof | CPU ms per inference | wall s | peak MiB | k | rows | proof bytes | gas | gas per inference |")
print("|---|---|---|---|---|---|---|---|---|---|")
for r in rows:
    b = r["batch"]
    print(
        f"| {b} | {r['cpu_s']:.2f} | {1e3 * r['cpu_s'] / b:.1f} | {r['wall_s']:.2f} | {r['peak_rss_mb']:.0f} | {r['k']} "
        f"| {r['rows']:,} | {r['proof_bytes']:,} | {r['gas']:,} | {r['gas'] // b:,} |"
    )
output.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
print(f"\nEZKL 23.0.5 on one inference of this network: 1.1 CPU s (fastest setting) to 6.4 (default), about 607,000 gas")
print(f"JSON: {output}", file=sys.stderr)
PY
