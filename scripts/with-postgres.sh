#!/usr/bin/env bash
# Runs a command with DN_TEST_POSTGRES naming an empty database in a throw-away Postgres cluster; without it, and says
# so, where Postgres is not installed.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1 || true)
if [ -z "$bin" ]; then
    echo "postgres: not installed (apt-get install postgresql); the store was tested on SQLite only"
    exec "$@"
fi
work=$(mktemp -d)
chmod 755 "$work"
as() { # postgres refuses to run as root
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
if [ "$(id -u)" = 0 ]; then chown postgres "$work"; fi
stop() {
    as "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT
as "$bin/initdb" -D "$work/data" -A trust -U deepnode >"$work/initdb.log"
# A Unix socket in the folder needs no port.
as "$bin/pg_ctl" -D "$work/data" -w -l "$work/server.log" -o "-c listen_addresses='' -k $work" start >/dev/null
as "$bin/createdb" -h "$work" -U deepnode deepnode
DN_TEST_POSTGRES="postgres://deepnode@localhost/deepnode?host=$work" "$@"
