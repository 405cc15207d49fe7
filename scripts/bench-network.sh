#!/usr/bin/env bash
# Measures the services around the proofs: a table on stdout, the JSON behind it in bench-network.json of the cache.
# Sections can be named: accepts latency restart blocks streams cluster. Call by scripts/with-postgres.sh to measure Postgres too.
set -euo pipefail
cd "$(dirname "$0")/.."
# Thousands of connections are open at once, here and in the sequencer.
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d "$DEEPNODE_CACHE/bench-network.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$CARGO_TARGET_DIR/debug/load" "$work" "$DEEPNODE_CACHE/data" "$DEEPNODE_CACHE/bench-network.json" "$@"
