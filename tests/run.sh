#!/usr/bin/env bash
# Installs what build and tests need, builds asan and release, runs all tests, prints ctest's closing line.
#
# tests/run.sh [--long] [--quick]
#   --long   also the proofs that take long: 20 GiB both ways, minio, ceph, 20 kills on big files
#   --quick  unit tests of the asan build only
set -euo pipefail
cd "$(dirname "$0")/.."

long=0
quick=0
for arg in "$@"; do
    case $arg in
    --long) long=1 ;;
    --quick) quick=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done

packages=(gcc ninja-build cmake pkg-config libcurl4-openssl-dev libssl-dev liblmdb-dev liblua5.4-dev libcriterion-dev
    libuv1-dev libexpat1-dev libjansson-dev libisal-dev libmicrohttpd-dev libyaml-dev libarchive-dev libdeflate-dev
    libzstd-dev zstd libnghttp2-dev libprotobuf-c-dev
    protobuf-c-compiler zlib1g-dev clang-format-14 lua-check python3 python3-venv curl)
long_packages=(clang-tidy-14 etcd-server openssl nginx-light chromium ceph-mon ceph-osd ceph-common radosgw)
versitygw=v1.8.0
grpcurl=v1.9.3
ghz=v0.120.0
h2spec=v2.2.1+incompatible
minio=v0.0.0-20260212201848-7aac2a2c5b7c
cache=${XDG_CACHE_HOME:-$HOME/.cache}/purser-tests
tools=$cache/bin

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing: ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >"$cache/apt.log" 2>&1 ||
            { tail -20 "$cache/apt.log"; exit 1; }
    fi
}

# install_go_tool NAME MODULE@VERSION: once; the file beside the binary says which version it is.
install_go_tool() {
    local name=$1 module=$2
    if [ -x "$tools/$name" ] && [ "$(cat "$tools/$name.version" 2>/dev/null)" = "$module" ]; then return; fi
    if ! command -v go >/dev/null; then
        echo "go is missing: install Go 1.24 or later; the tests need a real S3 server ($name)" >&2
        exit 1
    fi
    echo "building $module"
    GOBIN=$tools go install "$module" >"$cache/$name.log" 2>&1 || { tail -20 "$cache/$name.log"; exit 1; }
    echo "$module" >"$tools/$name.version"
}

# Python packages of the tests in a venv; purser-test-python is its interpreter.
install_python_packages() {
    local venv=$cache/venv
    if [ -x "$tools/purser-test-python" ] && cmp -s tests/requirements.txt "$venv/requirements.txt"; then return; fi
    echo "installing Python packages of the tests"
    rm -rf "$venv"
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q -r tests/requirements.txt; } >"$cache/venv.log" 2>&1 ||
        { tail -20 "$cache/venv.log"; exit 1; }
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$venv/bin/python3" >"$tools/purser-test-python"
    chmod +x "$tools/purser-test-python"
    cp tests/requirements.txt "$venv/requirements.txt"
}

# Argo's own plugin client, with the program that drives it: tests/argo pins all modules. About a minute, once.
install_argo_client() {
    local version
    version=$(cat tests/argo/main.go tests/argo/go.sum | sha256sum)
    if [ -x "$tools/argo-client" ] && [ "$(cat "$tools/argo-client.version" 2>/dev/null)" = "$version" ]; then return; fi
    echo "building tests/argo"
    (cd tests/argo && go build -o "$tools/argo-client" .) >"$cache/argo-client.log" 2>&1 ||
        { tail -20 "$cache/argo-client.log"; exit 1; }
    echo "$version" >"$tools/argo-client.version"
}

# A real API server for the watcher: see tests/argo/build_apiserver.sh.
install_apiserver() {
    local version
    version=$(sha256sum <tests/argo/build_apiserver.sh)
    if [ -x "$tools/kube-apiserver" ] && [ "$(cat "$tools/kube-apiserver.version" 2>/dev/null)" = "$version" ]; then return; fi
    echo "building kube-apiserver"
    bash tests/argo/build_apiserver.sh "$tools/kube-apiserver" >"$cache/kube-apiserver.log" 2>&1 ||
        { tail -20 "$cache/kube-apiserver.log"; exit 1; }
    echo "$version" >"$tools/kube-apiserver.version"
}

# Argo's controller and executor: see tests/argo/build_argo.sh.
install_argo_programs() {
    local version
    version=$(cat tests/argo/build_argo.sh tests/argo/go.sum | sha256sum)
    if [ -x "$tools/argoexec" ] && [ "$(cat "$tools/argoexec.version" 2>/dev/null)" = "$version" ]; then return; fi
    echo "building Argo's workflow-controller and argoexec"
    bash tests/argo/build_argo.sh "$tools" >"$cache/argo-programs.log" 2>&1 ||
        { tail -20 "$cache/argo-programs.log"; exit 1; }
    echo "$version" >"$tools/argoexec.version"
}

# The browser's driver of the page's test: one package, pinned.
install_playwright() {
    local wanted=playwright-core@1.49.1
    if [ "$(cat "$cache/page/version" 2>/dev/null)" = $wanted ]; then return; fi
    if ! command -v npm >/dev/null; then packages=(npm); install_packages; fi
    mkdir -p "$cache/page"
    npm install --prefix "$cache/page" --no-audit --no-fund $wanted >"$cache/page/npm.log" 2>&1 ||
        { tail -20 "$cache/page/npm.log"; exit 1; }
    echo $wanted >"$cache/page/version"
}

# build PRESET [LONG]: LONG=1 registers the long proofs too.
build() {
    local preset=$1 long_tests=${2:-0} log=$cache/build-$1.log
    echo "building $preset"
    { cmake --preset "$preset" -DPURSER_TESTS=ON -DPURSER_LONG="$long_tests" && cmake --build --preset "$preset"; } >"$log" 2>&1 ||
        { grep -E 'error|FAILED|warning:' "$log" | head -40; tail -20 "$log"; exit 1; }
}

mkdir -p "$tools"
if [ $long = 1 ]; then packages+=("${long_packages[@]}"); fi
install_packages
install_argo_client
install_go_tool grpcurl "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl"
install_go_tool ghz "github.com/bojand/ghz/cmd/ghz@$ghz"
install_go_tool h2spec "github.com/summerwind/h2spec/cmd/h2spec@$h2spec"
install_go_tool versitygw "github.com/versity/versitygw/cmd/versitygw@$versitygw"
install_python_packages
if [ $long = 1 ]; then install_playwright; fi
if [ $long = 1 ]; then install_apiserver; fi
if [ $long = 1 ]; then install_argo_programs; fi
if [ $long = 1 ]; then install_go_tool minio "github.com/minio/minio@$minio"; fi
export PATH=$tools:$PATH

build asan
if [ $long = 1 ]; then build tsan; fi
if [ $quick = 1 ]; then
    exec ctest --test-dir build/asan --output-on-failure -j 2 -R '^unit'
fi
build release $long
status=0
if [ $long = 1 ]; then ctest --test-dir build/tsan --output-on-failure -R '^stress' || status=1; fi
ctest --test-dir build/asan --output-on-failure -j 2 || status=1
# The long proofs are about size and speed: they run on the release build alone, one at a time.
echo "release build: whole runs against real servers"
if [ $long = 1 ]; then
    PURSER_TEST_LONG=1 ctest --test-dir build/release --output-on-failure -R '^(flow|conform|policies|lint.tidy)' || status=1
else
    ctest --test-dir build/release --output-on-failure -j 2 -R '^(flow|conform|policies)' || status=1
fi
exit $status
