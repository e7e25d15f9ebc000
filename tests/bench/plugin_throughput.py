#!/usr/bin/env python3
"""The artifact plugin with a big file, by Argo's own client: Save, Load, OpenStream, side by side with the commands.

Usage: plugin_throughput.py [GIB] [file|versitygw]. Needs a release build and argo-client (tests/run.sh). Prints rates,
CPU-seconds and peak memory of the plugin. Gate: 64 MiB of private memory; the bytes come back as they were.
"""
import os
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
os.environ.setdefault("PURSER", "build/release/purser")
MIB = 1024 * 1024
GATE_MIB = 64


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    """VmHWM holds file pages too; RssAnon is looked at when a step ends."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return max(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(("RssAnon", "VmHWM")))


def main():
    from plugin import Plugin
    from rig import Rig, sha256
    gib = float(sys.argv[1]) if len(sys.argv) > 1 else 6
    kind = sys.argv[2] if len(sys.argv) > 2 else "versitygw"
    with Rig(kind) as rig:
        source = rig.source("source.bin", int(gib * 1024) * MIB)
        want = sha256(source)
        with Plugin(rig) as plugin:
            pid = plugin.process.pid
            plugin.run("is-directory", "x")
            for name, args, back in (("Save", ("save", source, "big"), None),
                                     ("Load", ("load", "big", rig.dir / "back"), rig.dir / "back"),
                                     ("OpenStream", ("stream", "big", rig.dir / "back"), rig.dir / "back")):
                before, started = cpu_seconds(pid), time.monotonic()
                plugin.run(*args)
                took = time.monotonic() - started
                print(f"{name:10} {gib} GiB in {took:.1f} s, {gib * 1024 / took:.0f} MiB/s, "
                      f"{(cpu_seconds(pid) - before) / gib:.2f} CPU-seconds a GiB, peak {peak_mib(pid):.1f} MiB", flush=True)
                if back:
                    assert sha256(back) == want, name
                    back.unlink()
            peak = peak_mib(pid)
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        rig.run("put", "-q", source, rig.url("by-hand"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took = time.monotonic() - started
        print(f"{'put':10} {gib} GiB in {took:.1f} s, {gib * 1024 / took:.0f} MiB/s, {cpu / gib:.2f} CPU-seconds a GiB")
        sys.exit(0 if peak <= GATE_MIB else 1)


main()
