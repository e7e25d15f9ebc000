#!/usr/bin/env bash
# Builds a real kube-apiserver into the file named as argument, from its Go module alone. About five minutes on two
# cores; what it makes besides stays in Go's cache.
set -euo pipefail
version=v1.36.3
libraries=v0.36.3
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOFLAGS=-mod=mod
module=$(go mod download -json "k8s.io/kubernetes@$version")
go_mod=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["GoMod"])' "$module")
dir=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["Dir"])' "$module")
# Its own requirements; its libraries, which it takes from its own tree at v0.0.0, from where they are published.
{
    echo "module purser/tests/apiserver"
    sed -e '/^module /d' -e '/^replace (/,/^)/d' -e '/=> /d' -e "s#\(k8s.io/[^ ]*\) v0\.0\.0\( \|\$\)#\1 $libraries\2#" "$go_mod"
    echo "require k8s.io/kubernetes $version"
} >go.mod
cp "$dir/go.sum" go.sum
cat >main.go <<'GO'
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
GO
go build -p 1 -o "$target" .
