#!/bin/sh
# Fails if generated code is not what its source generates.
set -eu
cd "$(dirname "$0")/.."
before=$(cat server/api/openapi.gen.go)
go generate ./server/api
after=$(cat server/api/openapi.gen.go)
if [ "$before" != "$after" ]; then
  echo "server/api/openapi.gen.go was not generated from openapi.yaml: run make generate" >&2
  exit 1
fi
