#!/usr/bin/env python3
"""The first list of a big cluster: 10,000 workflows with 10 artifacts each, parsed and recorded in LMDB.

Usage: watch_memory.py [WORKFLOWS]. Needs a release build (PURSER_BENCH_DIR). Gate: 96 MiB of private memory (RssAnon).
"""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
os.environ.setdefault("PURSER_BENCH_DIR", "build/release/tests")

from fake_kube import FakeKube, workflow  # noqa: E402
from rig import Rig  # noqa: E402
from watch import Watcher  # noqa: E402

GATE_MIB = 96


def rss_anon_mib(pid, field="RssAnon"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    with Rig("file") as rig:
        fake = FakeKube()
        for i in range(count):
            artifacts = [(f"out-{j}", {"s3": {"key": f"w{i}/out-{j}.tgz", "endpoint": "s3.amazonaws.com"}},
                          "OnWorkflowDeletion") for j in range(10)]
            fake.put(workflow(f"w{i:06}", "Succeeded", artifacts), tell=False)
        rig.env.pop("AWS_ENDPOINT_URL_S3", None)
        started = time.monotonic()
        peak = 0.0
        with Watcher(rig, fake) as watcher:
            counts = {"artifacts": 0}
            while counts["artifacts"] < 10 * count:
                counts = watcher.until(artifacts=counts["artifacts"] + 1)
                peak = max(peak, rss_anon_mib(watcher.process.pid))
            took = time.monotonic() - started
            peak = max(peak, rss_anon_mib(watcher.process.pid))
        size = (rig.dir / "state" / "data.mdb").stat().st_blocks * 512 / (10 * count)
        print(f"{count} workflows, {10 * count} artifacts recorded in {took:.1f} s, RssAnon at most {peak:.1f} MiB "
              f"(gate {GATE_MIB}), {size:.0f} bytes a record in the database")
        fake.close()
        sys.exit(0 if peak <= GATE_MIB else 1)


main()
