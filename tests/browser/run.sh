#!/bin/sh
# The pages of people in a real browser: keyboard, axe, light and dark, small and
# large, with and without JavaScript. Without Node or Chromium this fails in CI
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
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
(cd ../.. && go build -trimpath -o "$work/preview" ./tests/browser/preview)
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --silent
"$work/preview" -listen 127.0.0.1:0 >"$work/address" &
server=$!
tries=0
until [ -s "$work/address" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo "the preview did not start" >&2; exit 1; }
  sleep 0.1
done
PREVIEW=$(cat "$work/address")
SAMPLES=$("$work/preview" -list)
OUTPUT=$work/out
export PREVIEW SAMPLES OUTPUT
npm test -- "$@"
