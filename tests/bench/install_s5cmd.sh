#!/usr/bin/env bash
# Builds s5cmd 2.3.0, what many_files.py compares with, beside the other test tools. Not for CI.
set -euo pipefail
tools=${XDG_CACHE_HOME:-$HOME/.cache}/purser-tests/bin
if [ -x "$tools/s5cmd" ]; then exit 0; fi
mkdir -p "$tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf 'module s5cmd-build\n\ngo 1.24\n\nrequire github.com/peak/s5cmd/v2 v2.3.0\n' >go.mod
GOFLAGS=-mod=mod GOBIN=$tools go install github.com/peak/s5cmd/v2
