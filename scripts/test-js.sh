#!/usr/bin/env bash
# Tests the JavaScript package against the vectors that Rust is tested against, and the explorer as far as it needs no browser.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup-js.sh
(
    cd sdk/js
    node --test
    npx --no-install tsc
    npx --no-install tsc --noEmit --strict --target ES2022 --lib ES2022,DOM --module NodeNext --skipLibCheck testdata/consumer.ts
)
cd web
npm run --silent check
npm test --silent
npm run --silent build
