#!/usr/bin/env python3
"""The gateway's page in headless Chromium: see page.js. Usage: page.py file|versitygw"""
import os
import pathlib
import subprocess
import sys

from agent_rig import Agent, TOKEN
from rig import MIB, Rig, sha256

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "purser-tests"
MODULES = CACHE / "page" / "node_modules"


def main():
    if not (MODULES / "playwright-core").is_dir() or not pathlib.Path("/usr/bin/chromium").exists():
        sys.exit("chromium and playwright-core are missing: tests/run.sh --long installs them")
    with Rig(sys.argv[1]) as rig:
        big = rig.source("big.bin", 5 * MIB)
        rig.run("put", "-q", big, rig.url("dir/big \u00e9.bin"))
        small = rig.dir / "small"
        small.write_bytes(b"bytes")
        for key in ("gc/later", "gc/keys", "below/a"):
            rig.run("put", "-q", small, rig.url(key), "--workflow", "argo/w", "--gc", "OnWorkflowCompletion",
                    "--label", "purser/reclaim-after=7d")
        rig.run("reclaims", "hold", rig.url("below/"))
        rig.run("workflow", "argo/w", "completed", "--status", "Succeeded")
        with Agent(rig) as agent:
            subprocess.run(["node", str(pathlib.Path(__file__).with_name("page.js")), f"http://127.0.0.1:{agent.port}/",
                            TOKEN, sha256(big)], check=True, timeout=300,
                           env=dict(os.environ, NODE_PATH=str(MODULES), HOME=str(rig.dir)))


main()
