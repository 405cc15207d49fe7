#!/usr/bin/env bash
# Fuzzes every reader of bytes from outside under libFuzzer, with the compiler of the project: no nightly, no tool besides
# a C++ compiler. What it finds is kept and named; exits with 1 then.
#
#   scripts/fuzz.sh                 ten seconds a target
#   scripts/fuzz.sh 600 key proof   ten minutes each of two of them
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} LIBTORCH=${LIBTORCH:-$cache/libtorch}
seconds=${1:-10}
shift || true
targets=("$@")
(( ${#targets[@]} > 0 )) || targets=(model arrays package key proof ceremony)

# Only the project's own crates count their branches; those of others stay as they are built.
echo "building the targets, with counted branches" >&2
build=(cargo build --quiet --workspace --locked --features dn-worker/torch,dn-fuzz/libfuzzer)
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/count-branches.sh "${build[@]}" "${targets[@]/#/--bin=fuzz-}"
"${build[@]}" --bin fuzz-seeds

corpus=$cache/fuzz
"$CARGO_TARGET_DIR/debug/fuzz-seeds" "$corpus/seeds" >&2

found=0
for target in "${targets[@]}"; do
    mkdir -p "$corpus/grown/$target" "$corpus/found/$target"
    log=$corpus/$target.log
    if "$CARGO_TARGET_DIR/debug/fuzz-$target" "$corpus/grown/$target" "$corpus/seeds/$target" -max_total_time="$seconds" -timeout=20 \
        -rss_limit_mb=3000 -artifact_prefix="$corpus/found/$target/" >"$log" 2>&1; then
        echo "fuzz $target: $(grep -oE '^Done .*' "$log" || tail -n 1 "$log")"
    else
        tail -n 30 "$log"
        echo "fuzz $target: FOUND something, see $log and $corpus/found/$target"
        found=1
    fi
done
exit "$found"
