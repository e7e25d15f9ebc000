#!/usr/bin/env python3
"""10,000 files of 4 KiB to versitygw and back: purser against s5cmd 2.3.0, in turn in one run: up, list, down, delete.

Gates: wall time at most s5cmd's, a third of its CPU seconds. Medians of three rounds. versitygw keeps its metadata in
extended attributes here. By default it closes each connection, which no other store does: then both pay for a new one a
file; --keep-alive has it keep them.
Usage: many_files.py [files] [--keep-alive]; PURSER names the binary (release build)."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from rig import PURSER, free_port, wait_for_port  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 3


def measured(args, env):
    started = time.monotonic()
    process = subprocess.Popen([str(arg) for arg in args], env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (args, status)
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    kept = ["--keep-alive"] if "--keep-alive" in sys.argv else []
    numbers = [arg for arg in sys.argv[1:] if arg.isdigit()]
    count = int(numbers[0]) if numbers else 10000
    subprocess.run(["bash", str(pathlib.Path(__file__).parent / "install_s5cmd.sh")], check=True)
    top = pathlib.Path(tempfile.mkdtemp(prefix="purser-bench-"))
    tools = pathlib.Path(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))) / "purser-tests" / "bin"
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    port = free_port()
    (top / "data" / "bkt").mkdir(parents=True)
    server = subprocess.Popen(["versitygw", "--port", f"127.0.0.1:{port}", *kept, "posix", str(top / "data")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=dict(os.environ, ROOT_ACCESS_KEY="testkey123", ROOT_SECRET_KEY="testsecret123"))
    try:
        wait_for_port(port, server)
        endpoint = f"http://127.0.0.1:{port}"
        env = dict(os.environ, AWS_ACCESS_KEY_ID="testkey123", AWS_SECRET_ACCESS_KEY="testsecret123",
                   AWS_REGION="us-east-1", AWS_ENDPOINT_URL_S3=endpoint, S3_ENDPOINT_URL=endpoint,
                   PURSER_STATE_DIR=str(top / "state"))
        source = top / "source"
        for i in range(count):
            folder = source / f"d{i // 500}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"f{i}").write_bytes(os.urandom(4096))
        steps = {
            "up": (lambda: [PURSER, "put", "-q", source, "s3://bkt/p/", "--archive", "none"],
                   lambda: ["s5cmd", "cp", f"{source}/", "s3://bkt/s/"]),
            "list": (lambda: [PURSER, "ls", "-r", "s3://bkt/p/"], lambda: ["s5cmd", "ls", "s3://bkt/s/*"]),
            "down": (lambda: [PURSER, "get", "-r", "-q", "s3://bkt/p/", top / "p"],
                     lambda: ["s5cmd", "cp", "s3://bkt/s/*", f"{top}/s/"]),
            "delete": (lambda: [PURSER, "rm", "-r", "-q", "s3://bkt/p/"], lambda: ["s5cmd", "rm", "s3://bkt/s/*"]),
        }
        figures = {name: [] for name in steps}
        for number in range(ROUNDS):
            for name, pair in steps.items():
                ordered = pair if number % 2 == 0 else pair[::-1]
                one, other = (measured(make(), env) for make in ordered)
                figures[name].append((one, other) if number % 2 == 0 else (other, one))
                if name == "down":
                    subprocess.run(["diff", "-r", source, top / "p"], check=True)
                    shutil.rmtree(top / "p")
                    shutil.rmtree(top / "s")
        good = True
        for name, rounds in figures.items():
            wall = statistics.median(ours[0] / theirs[0] for ours, theirs in rounds)
            cpu = statistics.median(ours[1] / theirs[1] for ours, theirs in rounds)
            rss = max(ours[2] for ours, _ in rounds)
            ours, theirs = rounds[len(rounds) // 2]
            good = good and wall <= 1 and cpu <= 1 / 3
            print(f"{name:7} wall {wall:.2f} of s5cmd's (gate 1.00), CPU {cpu:.2f} (gate 0.33), RSS {rss:.0f} MiB; "
                  f"middle round {ours[0]:.2f} s and {ours[1]:.2f} CPU-s against {theirs[0]:.2f} s and {theirs[1]:.2f}")
        return 0 if good else 1
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(top, ignore_errors=True)


sys.exit(main())
