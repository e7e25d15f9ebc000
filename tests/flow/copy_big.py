#!/usr/bin/env python3
"""cp of an object over the 5 GiB of CopyObject: by the store, in parts. Usage: copy_big.py versitygw|oss [GiB]"""
import json
import sys

from rig import MIB, Rig, sha256

PART_SIZE_MIB = 256  # PS_COPY_PART_SIZE_BYTES


def main():
    size = int(sys.argv[2] if len(sys.argv) > 2 else 6) * 1024 * MIB + 4321
    with Rig(sys.argv[1]) as rig:
        source = rig.sparse_source("big.bin", size)
        wanted = sha256(source)
        rig.run("put", "-q", source, rig.url("from"))
        source.unlink()
        # The defaults: nothing tells it to copy in parts but the size.
        seconds, cpu, rss = rig.measured("cp", "-q", rig.url("from"), rig.url("to"))
        info = json.loads(rig.run("stat", "--json", rig.url("to"))[0])
        assert info["size_bytes"] == size, info
        rig.run("rm", "-q", rig.url("from"))
        assert sha256(rig.stored("to")) == wanted, "the copy differs"
        assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""
        parts = -(-size // (PART_SIZE_MIB * MIB))
        print(f"cp within {rig.kind}: {size / (1024 * MIB):.1f} GiB in {parts} parts, {seconds:.1f} s, {cpu:.2f} CPU-s, "
              f"peak RSS {rss / 1024:.1f} MiB; identical")
        assert cpu < 10, "the bytes passed through here"


main()
