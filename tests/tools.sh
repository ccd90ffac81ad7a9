#!/usr/bin/env bash
# Installs what the tests need beside Go and Make: Postgres, Node and Chromium,
# from the system's packages. Where it may not, it says what is missing; in CI that fails.
set -euo pipefail

need=()
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || need+=(postgresql)
command -v node >/dev/null || need+=(nodejs)
command -v npm >/dev/null || need+=(npm)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || need+=(chromium fonts-dejavu-core)
[ ${#need[@]} -gt 0 ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
  as_root="sudo -n"
  sudo -n true 2>/dev/null || as_root="none"
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${need[@]}"
  exit 0
fi
echo "The tests also need: ${need[*]}. Without them the tests on Postgres, with npm clients and in a browser are skipped." >&2
[ "${CI:-}" != true ]
