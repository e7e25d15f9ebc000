#!/usr/bin/env bash
# Builds Argo's workflow-controller and argoexec into the directory named as argument, from Argo's module. About ten minutes
# on two cores; what it makes besides stays in Go's cache.
#
# The module's zip lacks workflow/executor/osspecific/signal_linux.go, without which argoexec is built nowhere; the file of
# the other Unix has all that it needs.
set -euo pipefail
target=$1
cd "$(dirname "$0")"
module=$(go list -m -f '{{.Dir}}' github.com/argoproj/argo-workflows/v4)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$module/." "$work/"
chmod -R u+w "$work"
cd "$work"
signals=workflow/executor/osspecific/signal
[ -e ${signals}_linux.go ] || cp ${signals}_darwin.go ${signals}_linux.go
export GOFLAGS=-mod=mod
for name in workflow-controller argoexec; do
    go build -p 1 -o "$target/$name" "./cmd/$name"
done
