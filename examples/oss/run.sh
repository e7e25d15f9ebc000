#!/usr/bin/env bash
# An artifact on Aliyun OSS: put in parts, killed, resumed, verified by OSS's CRC-64, shared by a URL, removed.
#
# examples/oss/run.sh                      against the double of OSS that the tests use (tests/run.sh installs its Python)
# examples/oss/run.sh oss://BUCKET/PREFIX  against OSS itself: set OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_REGION
set -euo pipefail
cd "$(dirname "$0")/../.."
purser=${PURSER:-build/release/purser}
[ -x "$purser" ] || { echo "build first: tests/run.sh, or examples/quickstart.sh" >&2; exit 1; }

work=$(mktemp -d)
double=
trap '[ -z "$double" ] || kill "$double"; rm -rf "$work"' EXIT
export PURSER_STATE_DIR=$work/state

root=${1:-}
if [ -z "$root" ]; then
    python=${XDG_CACHE_HOME:-$HOME/.cache}/purser-tests/bin/purser-test-python
    [ -x "$python" ] || { echo "no OSS given, and $python is missing: run tests/run.sh" >&2; exit 1; }
    "$python" tests/support/oss_double.py "$work/double" >"$work/port" &
    double=$!
    for _ in $(seq 200); do grep -q PORT "$work/port" && break; sleep 0.05; done
    root=oss://bkt/example
    export OSS_ENDPOINT=http://127.0.0.1:$(cut -d' ' -f2 "$work/port")
    export OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=testkey123 OSS_ACCESS_KEY_SECRET=testsecret123
fi

head -c 200M /dev/urandom >"$work/model.bin"
step() {
    echo "\$ purser $*"
    "$purser" "$@"
}

step doctor "$root/"
echo "\$ purser put ..., killed after a second"
timeout --signal=KILL 1 "$purser" put -q --part-size 8MiB -c 1 "$work/model.bin" "$root/model.bin" 2>/dev/null || true
step put "$work/model.bin" "$root/model.bin"
step stat "$root/model.bin"
echo "\$ curl \"\$(purser share --expires 10m $root/model.bin)\" | cmp - model.bin"
curl -sf "$("$purser" share --expires 10m "$root/model.bin")" | cmp - "$work/model.bin"
step get "$root/model.bin" "$work/back.bin"
cmp "$work/model.bin" "$work/back.bin"
step rm "$root/model.bin"
