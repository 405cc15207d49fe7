#!/usr/bin/env bash
# Holds a running sequencer to its own OpenAPI document: schemathesis for at most a minute, with a fixed seed, and
# what it leaves out: refused methods and event streams.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEEPNODE_CACHE=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
programs=${CARGO_TARGET_DIR:-target}/debug
venv=$DEEPNODE_CACHE/schemathesis
pins=scripts/check-openapi.txt

if ! cmp -s "$pins" "$venv/installed.txt"; then
    echo "schemathesis: installing the pinned release of $pins, which sends the interface what its document allows and forbids"
    echo "schemathesis: about 30 seconds, 95 MB in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement "$pins"
    cp "$pins" "$venv/installed.txt"
fi

work=$(mktemp -d "$DEEPNODE_CACHE/check-openapi.XXXXXX")
stop() {
    if [ -n "${server:-}" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT
"$programs/load" serve "$work/state" "$DEEPNODE_CACHE/data" >"$work/served.txt" 2>"$work/load.log" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/served.txt" ] && break
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$work/load.log" >&2
        exit 1
    fi
    sleep 0.2
done
read -r url task <"$work/served.txt"

# A fixed seed and a count of cases, not a time, so that every run sends the same; a minute is the most that it may take.
# Streams of events have no end, which schemathesis would wait for; check-openapi.py looks at them.
status=0
config=$PWD/scripts/check-openapi.toml
(
    cd "$work"
    timeout --signal=INT 60 "$venv/bin/schemathesis" --config-file "$config" run "$url/openapi.json" --url "$url" \
        --phases examples,coverage,fuzzing --checks all --seed 20260101 --max-examples 100 \
        --generation-database none --exclude-path-regex '/events$' --request-timeout 10 --no-color
) >"$work/schemathesis.log" 2>&1 || status=$?
if [ "$status" != 0 ]; then
    cat "$work/schemathesis.log"
else
    tail -15 "$work/schemathesis.log"
fi
python3 scripts/check-openapi.py "$url" "$task" || status=$?
exit "$status"
