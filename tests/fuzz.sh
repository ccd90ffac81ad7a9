#!/usr/bin/env bash
# Runs every fuzz target there is, one after another, and fails on a finding.
# FUZZTIME is for each (5m); FUZZPARALLEL is the number of workers (2); ONLY is a
# pattern of targets. Inputs that failed are kept under testdata/fuzz: commit them.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-5m} workers=${FUZZPARALLEL:-2} only=${ONLY:-.}

targets=$(grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|^\./(.*)/[^/]+:[0-9]+:func (Fuzz.*)$|\1 \2|' | sort)
[ -n "$targets" ] || { echo "no fuzz target found" >&2; exit 1; }

failed=() ran=0
while read -r package target; do
  [[ $target =~ $only ]] || continue
  echo "== $package $target"
  ran=$((ran + 1))
  go test "./$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x -parallel "$workers" </dev/null || failed+=("$package $target")
done <<<"$targets"

if [ ${#failed[@]} -gt 0 ]; then
  printf 'finding in: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "make fuzz: $ran targets, no finding"
