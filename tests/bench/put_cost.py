#!/usr/bin/env python3
"""What a put costs: CPU a GiB against a sink that only reads, and the whole process for 1 KiB. Usage: put_cost.py [GiB]

Prints medians and the gates: 0.5 CPU-seconds a GiB with checksums on over plain HTTP, 10 ms for a put of 1 KiB to a
versitygw, which is on the PATH. Run it on a release build: PURSER=build/release/purser."""
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from rig import MIB, PURSER, Rig  # noqa: E402

ROUNDS = 7
SINK = pathlib.Path(PURSER).resolve().parent / "tests" / "bench_sink"


def measured(args, env):
    """(seconds, CPU seconds, peak RSS in KiB) of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(args, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{args}: status {status}"
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def cpu_a_gib(rig, gib):
    source = rig.source("source.bin", gib * 1024 * MIB)
    sink = subprocess.Popen([str(SINK)], stdout=subprocess.PIPE, text=True)
    try:
        env = dict(rig.env, AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_REGION="us-east-1",
                   AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{int(sink.stdout.readline().split()[-1])}")
        runs = [measured([PURSER, "put", "-q", str(source), "s3://bkt/o"], env) for _ in range(ROUNDS)]
    finally:
        sink.kill()
        sink.wait()
        source.unlink()
    cpu = statistics.median(cpu for _, cpu, _ in runs) / gib
    print(f"put {gib} GiB to a sink: {cpu:.3f} CPU-s/GiB, median of {ROUNDS} (gate 0.5); "
          f"{statistics.median(s for s, _, _ in runs) / gib:.2f} s/GiB, "
          f"peak RSS {max(rss for _, _, rss in runs) / 1024:.1f} MiB")
    return cpu <= 0.5


def small_put(rig):
    source = rig.source("small.bin", 1024)
    curl = ["curl", "-sf", "-o", "/dev/null", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
            "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", "testkey123:testsecret123",
            "-T", str(source), f"{rig.env['AWS_ENDPOINT_URL_S3']}/bkt/curl.bin"]
    ours, theirs = [], []
    for _ in range(60):
        ours.append(measured([PURSER, "put", "-q", str(source), rig.url("small.bin")], rig.env)[0])
        theirs.append(measured(curl, rig.env)[0])
    ours_ms, curl_ms = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    print(f"put 1 KiB to versitygw: {ours_ms:.2f} ms, median of {len(ours)} (gate 10); curl in turn {curl_ms:.2f} ms")
    return ours_ms <= 10


def main():
    with Rig("versitygw") as rig:
        good = [small_put(rig), cpu_a_gib(rig, int(sys.argv[1]) if len(sys.argv) > 1 else 4)]
    sys.exit(0 if all(good) else 1)


main()
