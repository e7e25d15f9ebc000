#!/usr/bin/env python3
"""1,000,000 pending reclaims: runs bench_reclaim and holds its figures against their gates. CPU seconds are looked at, as
wall time is the disk's; both are printed.

Usage: reclaim_million.py BUILD_DIR [DIR]"""
import re
import subprocess
import sys

out = subprocess.run([f"{sys.argv[1]}/tests/bench_reclaim", "1000000", *sys.argv[2:3]], capture_output=True, text=True,
                     check=True).stdout
print(out, end="")


def figure(pattern):
    return float(re.search(pattern, out)[1])


GATES = [
    ("record: CPU us", figure(r"record .*CPU +([\d.]+)"), 10),
    ("simulate: CPU s", figure(r"simulate .*CPU +([\d.]+)"), 3),
    ("ls --due: ms", figure(r"ls --due +([\d.]+) ms"), 50),
    ("database: bytes a record", figure(r"database (\d+) bytes"), 600),
    ("most RssAnon: MiB", figure(r"most RssAnon ([\d.]+)"), 64),
]
for name, value, gate in GATES:
    print(f"reclaim_million: {name:26} {value:8.2f} (gate {gate}){'' if value <= gate else '  MISSED'}")
sys.exit(0 if all(value <= gate for _, value, gate in GATES) else 1)
