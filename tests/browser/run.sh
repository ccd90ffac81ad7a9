#!/bin/sh
# The pages of people in a real browser: samples of each (keyboard, axe, light and
# dark, small and large, with and without JavaScript), and a running server. Without Node or Chromium this fails in CI
# and is skipped, out loud, elsewhere. SCREENSHOTS names where pictures go.
set -eu
cd "$(dirname "$0")"
missing=""
command -v npm >/dev/null || missing="$missing npm"
[ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || missing="$missing chromium"
if [ -n "$missing" ]; then
  echo "missing:$missing. The pages were not tested in a browser" >&2
  [ "${CI:-}" != true ]
  exit
fi
work=$(mktemp -d)
servers=""
trap '[ -z "$servers" ] || kill $servers 2>/dev/null; wait; rm -rf "$work"' EXIT
(cd ../.. && go build -o "$work/" ./tests/browser/preview ./cmd/deputy)
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --silent
"$work/preview" -listen 127.0.0.1:0 >"$work/address" &
servers=$!
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
"$work/deputy" serve --dev --no-tour --listen "127.0.0.1:$port" --data-dir "$work/data" --metrics-listen "" >"$work/log" 2>&1 &
servers="$servers $!"
tries=0
until [ -s "$work/address" ] && [ -s "$work/data/dev.json" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || { echo "the servers did not start" >&2; cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
DEPUTY=http://localhost:$port
WORLD=$work/data/dev.json
PREVIEW=$(cat "$work/address")
SAMPLES=$("$work/preview" -list)
OUTPUT=$work/out
export PREVIEW SAMPLES OUTPUT DEPUTY WORLD
npm test -- "$@"
