#!/usr/bin/env python3
"""An object over the 5 GiB of a single PUT, both ways, in constant memory. Usage: big.py file|versitygw|minio|oss [GiB]

Without --long of tests/run.sh it is 1 GiB. The source is sparse with random islands, so that it costs little disk."""
import os
import resource
import subprocess
import sys
import time

from rig import LONG, MIB, PURSER, Rig, sha256

RSS_LIMIT_KIB = 32 * 1024


def sparse_source(rig, size):
    path = rig.dir / "big.bin"
    with open(path, "wb") as file:
        file.truncate(size)
        for offset in range(0, size - MIB, 97 * MIB + 4099):
            file.seek(offset)
            file.write(os.urandom(MIB))
    return path


def measured(rig, *args, stdin=None):
    """Run purser; returns (seconds, CPU seconds, peak RSS in KiB) of that process alone."""
    started = time.monotonic()
    process = subprocess.Popen([PURSER, *map(str, args)], env=rig.env, stdin=stdin)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{args}: status {status}"
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def report(what, size, seconds, cpu, rss):
    gib = size / (1024 * MIB)
    print(f"{what}: {gib:.0f} GiB, {seconds:.1f} s, {cpu / gib:.2f} CPU-s/GiB, peak RSS {rss / 1024:.1f} MiB", flush=True)
    assert "asan" in PURSER or rss <= RSS_LIMIT_KIB, "over 32 MiB"


def main():
    size = int(sys.argv[2] if len(sys.argv) > 2 else 20 if LONG else 1) * 1024 * MIB + 4321
    with Rig(sys.argv[1]) as rig:
        source = sparse_source(rig, size)
        wanted = sha256(source)
        report(f"put {rig.kind}", size, *measured(rig, "put", "-q", source, rig.url("big.bin")))
        dest = rig.dir / "back.bin"
        report(f"get {rig.kind}", size, *measured(rig, "get", "-q", rig.url("big.bin"), dest))
        assert sha256(dest) == wanted, "what came back differs"
        dest.unlink()
        rig.run("rm", "-q", rig.url("big.bin"))
        with open(source, "rb") as stream:
            report(f"put - {rig.kind}", size, *measured(rig, "put", "-q", "-", rig.url("stream.bin"), stdin=stream))
        assert sha256(rig.stored("stream.bin")) == wanted, "the stream differs"
        print("identical")


main()
