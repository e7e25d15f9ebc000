#!/usr/bin/env python3
"""An object over the 5 GiB of a single PUT, both ways, in constant memory. Usage: big.py file|versitygw|minio|oss [GiB]

Without --long of tests/run.sh it is 1 GiB. The source is sparse with random islands, so that it costs little disk."""
import sys

from rig import LONG, MIB, PURSER, Rig, sha256

RSS_LIMIT_KIB = 32 * 1024


def report(what, size, seconds, cpu, rss):
    gib = size / (1024 * MIB)
    print(f"{what}: {gib:.0f} GiB, {seconds:.1f} s, {cpu / gib:.2f} CPU-s/GiB, peak RSS {rss / 1024:.1f} MiB", flush=True)
    assert "asan" in PURSER or rss <= RSS_LIMIT_KIB, "over 32 MiB"


def main():
    size = int(sys.argv[2] if len(sys.argv) > 2 else 20 if LONG else 1) * 1024 * MIB + 4321
    with Rig(sys.argv[1]) as rig:
        source = rig.sparse_source("big.bin", size)
        wanted = sha256(source)
        report(f"put {rig.kind}", size, *rig.measured("put", "-q", source, rig.url("big.bin")))
        dest = rig.dir / "back.bin"
        report(f"get {rig.kind}", size, *rig.measured("get", "-q", rig.url("big.bin"), dest))
        assert sha256(dest) == wanted, "what came back differs"
        dest.unlink()
        rig.run("rm", "-q", rig.url("big.bin"))
        with open(source, "rb") as stream:
            report(f"put - {rig.kind}", size, *rig.measured("put", "-q", "-", rig.url("stream.bin"), stdin=stream))
        assert sha256(rig.stored("stream.bin")) == wanted, "the stream differs"
        print("identical")


main()
