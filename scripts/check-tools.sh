#!/usr/bin/env bash
# Checks for the tools that the build needs and says how to get the missing ones.
set -euo pipefail

missing=0
need() { # command, what it is for, where it comes from
    if ! command -v "$1" >/dev/null 2>&1; then
        printf 'missing: %s (%s). Install it with: %s\n' "$1" "$2" "$3" >&2
        missing=1
    fi
}
need cargo "builds the programs" "https://rustup.rs"
need node "runs the Solidity compiler" "apt-get install nodejs"
need npm "fetches anvil, forge and solc" "apt-get install npm"
need python3 "fetches libtorch" "apt-get install python3"
need gcc "links the programs" "apt-get install build-essential"
need g++ "compiles the bindings of libtorch" "apt-get install build-essential"
need make "runs this file" "apt-get install build-essential"
exit "$missing"
