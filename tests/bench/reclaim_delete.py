#!/usr/bin/env python3
"""10,000 objects deleted on versitygw: purser's sweep (records, checks, LMDB and all) and s5cmd rm, in turn.

The policies were asked before, as an agent does when a workflow ends; asking about all 10,000 anew takes 0.2 s more.

Usage: reclaim_delete.py BUILD_DIR [ROUNDS]   s5cmd 2.3.0 and versitygw on the PATH
Gate: the median of purser's times is at most that of s5cmd's."""
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["PURSER"] = str(BUILD / "purser")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "flow"))
from rig import Rig  # noqa: E402  pylint: disable=wrong-import-position

COUNT = 10000
CONTENT = b"x" * 1024


def s5cmd(rig, *args, **kwargs):
    env = dict(rig.env, S3_ENDPOINT_URL=rig.env["AWS_ENDPOINT_URL_S3"])
    subprocess.run(["s5cmd", *args], env=env, check=True, stdout=subprocess.DEVNULL, **kwargs)


def fill(rig, prefix):
    source = rig.dir / "source"
    if not source.exists():
        source.mkdir()
        for i in range(COUNT):
            (source / f"object-{i:05}").write_bytes(CONTENT)
    s5cmd(rig, "cp", f"{source}/", f"s3://bkt/{prefix}/")


def left(rig, prefix):
    path = rig.data / "bkt" / prefix
    return sum(1 for _ in path.iterdir()) if path.exists() else 0


def purser_round(rig, prefix):
    etag = f'"{hashlib.md5(CONTENT).hexdigest()}"'
    urls = "".join(f"s3://bkt/{prefix}/object-{i:05}\n" for i in range(COUNT))
    state = rig.dir / "state"
    shutil.rmtree(state, ignore_errors=True)
    subprocess.run([BUILD / "tests" / "bench_record", state, str(len(CONTENT)), etag], input=urls.encode(), check=True)
    rig.run("reclaims", "plan")
    start = time.monotonic()
    out, err = rig.run("reclaims", "run", "--max", str(COUNT))
    took = time.monotonic() - start
    assert f"{COUNT} deleted" in err, out[:500] + err
    return took


def s5cmd_round(rig, prefix):
    start = time.monotonic()
    s5cmd(rig, "rm", f"s3://bkt/{prefix}/*")
    return time.monotonic() - start


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    times = {"purser": [], "s5cmd": []}
    with Rig("versitygw") as rig:
        for i in range(rounds):
            for name, run in (("purser", purser_round), ("s5cmd", s5cmd_round)):
                prefix = f"{name}-{i}"
                fill(rig, prefix)
                times[name].append(run(rig, prefix))
                assert left(rig, prefix) == 0, f"{name}: {left(rig, prefix)} objects are left"
    ours, theirs = statistics.median(times["purser"]), statistics.median(times["s5cmd"])
    print(f"reclaim_delete: {COUNT} objects: purser {ours:.2f} s, s5cmd {theirs:.2f} s, ratio {ours / theirs:.2f} "
          f"(gate 1.00); all {[f'{t:.2f}' for t in times['purser']]} {[f'{t:.2f}' for t in times['s5cmd']]}")
    return 0 if ours <= theirs else 1


sys.exit(main())
