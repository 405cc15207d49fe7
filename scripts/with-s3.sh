#!/usr/bin/env bash
# Runs a command with DN_TEST_S3 naming an empty bucket of a throw-away S3 server on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEEPNODE_CACHE=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
venv=$DEEPNODE_CACHE/s3
pins=scripts/with-s3.txt

if ! cmp -s "$pins" "$venv/installed.txt"; then
    echo "s3: installing the pinned releases of $pins: a server and a client of S3 to test buckets of models with"
    echo "s3: about 30 seconds, 140 MB in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement "$pins"
    cp "$pins" "$venv/installed.txt"
fi

work=$(mktemp -d)
stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$work"
}
"$venv/bin/moto_server" -H 127.0.0.1 -p 0 >"$work/log" 2>&1 &
server=$!
trap stop EXIT
url=
for _ in $(seq 300); do
    url=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/log" | head -1 || true)
    [ -n "$url" ] && break
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done
export AWS_ENDPOINT_URL=$url AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
"$venv/bin/python" -c 'import boto3; boto3.client("s3").create_bucket(Bucket="models")'
DN_TEST_S3=s3://models "$@"
