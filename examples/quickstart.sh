#!/usr/bin/env bash
# Installs what is missing, builds purser, and shows what it is for: a 1 GiB upload into a file:// store that is killed
# half-way and goes on where it stopped. Asks nothing; works as root or with sudo. Everything it makes is in a fresh
# directory under /tmp, which it removes.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc ninja-build cmake pkg-config libcurl4-openssl-dev libssl-dev liblmdb-dev liblua5.4-dev libuv1-dev
    libexpat1-dev libjansson-dev libisal-dev libmicrohttpd-dev libyaml-dev libarchive-dev libdeflate-dev libzstd-dev
    libnghttp2-dev libprotobuf-c-dev
    protobuf-c-compiler zlib1g-dev)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "== installing ${missing[*]}"
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

echo "== building"
cmake --preset release -DPURSER_TESTS=OFF >/dev/null
cmake --build --preset release --target purser >/dev/null
purser=$PWD/build/release/purser

work=$(mktemp -d /tmp/purser-quickstart-XXXXXX)
trap 'rm -rf "$work"' EXIT
export PURSER_STATE_DIR=$work/state PURSER_POLICY_PATH=$PWD/policies
mkdir "$work/store"
target=file://$work/store/artifact.bin

echo "== a 1 GiB file"
head -c 1G /dev/urandom >"$work/artifact.bin"

echo "== purser put, killed with SIGKILL half-way"
"$purser" put --quiet "$work/artifact.bin" "$target" &
pid=$!
while kill -0 $pid 2>/dev/null; do
    done_parts=$("$purser" uploads --json | sed -n 's/.*"done_parts":\([0-9]*\).*/\1/p')
    if [ "${done_parts:-0}" -ge 32 ]; then
        kill -KILL $pid
        break
    fi
done
wait $pid 2>/dev/null || true
"$purser" uploads

echo "== the same command again"
"$purser" put "$work/artifact.bin" "$target"

echo "== what the store holds, verified on the way back"
"$purser" stat "$target"
"$purser" get "$target" "$work/back.bin"
cmp "$work/artifact.bin" "$work/back.bin"
echo "== identical"
