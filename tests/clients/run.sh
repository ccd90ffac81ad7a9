#!/bin/sh
# OAuth clients from npm against the real binary. Without Node this fails in CI
# and is skipped, out loud, elsewhere.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null; then
  echo "npm is missing: OAuth clients from npm were not tested" >&2
  [ "${CI:-}" != true ]
  exit
fi
(cd ../.. && go build -o deputy ./cmd/deputy)
npm ci --no-audit --no-fund --silent
npm test
