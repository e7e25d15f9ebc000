#!/usr/bin/env python3
"""2 GiB of source-code-like files as tar.gz: purser against `tar cf - | gzip -LEVEL | purser put -`, in turn in one run.

The pipe's uploader is purser's own multipart upload of a stream, so that only the making of the archive differs. Gates:
at least 1.7 times faster on two cores, RSS at most 64 MiB, no temporary file (what the process has open for writing is
its checkpoint), the round trip equal by diff -r, read by GNU tar, Python's tarfile and Go's
archive/tar. Usage: archive_speed.py [MiB [level [source directory [rounds]]]]; PURSER names the binary
(release build)."""
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from rig import MIB, PURSER, Rig  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 5
GO = '''package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"os"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	packed, err := gzip.NewReader(file)
	if err != nil {
		panic(err)
	}
	reader := tar.NewReader(packed)
	var entries, size int64
	for {
		_, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			panic(err)
		}
		n, err := io.Copy(io.Discard, reader)
		if err != nil {
			panic(err)
		}
		entries++
		size += n
	}
	fmt.Println(entries, size)
}
'''


def make_sources(top, size, origin):
    """Copies of the sources that every machine with a compiler has, until there is enough."""
    made = copy = 0
    while made < size:
        for path in pathlib.Path(origin).rglob("*"):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MIB:
                continue
            target = top / f"copy{copy}" / path.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            # A comment of its own, so that no two copies are the same to a compressor with a large window.
            data = path.read_bytes()
            target.write_bytes(data + f"/* {copy} */\n".encode())
            made += len(data)
            if made >= size:
                return
        copy += 1


def temporary_bytes(pid, state):
    """Bytes in files that the process holds open for writing, but for its checkpoint: named, unlinked or in memory."""
    total = 0
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if int(entry.name) <= 2:  # the caller's
            continue
        target = os.readlink(entry)
        flags = int(pathlib.Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split("flags:")[1].split()[0], 8)
        if target.startswith(("/", "memfd:")) and not target.startswith((state, "/dev/")) and flags & 3:
            total += entry.stat().st_size
    return total


def run_purser(rig, tree, level):
    started = time.monotonic()
    process = subprocess.Popen([PURSER, "put", "-q", str(tree), rig.url("a.tar.gz"), "--archive", "tar.gz",
                                "--compression-level", str(level)], env=rig.env)
    wrote = 0
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        try:
            wrote = max(wrote, temporary_bytes(process.pid, rig.env["PURSER_STATE_DIR"]))
        except OSError:
            pass
        time.sleep(0.05)
    assert status == 0, status
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, wrote


def run_pipe(rig, tree, level):
    started = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["bash", "-o", "pipefail", "-c",
                    f'tar cf - -C "$0" . | gzip -{level} | "$1" put -q - "$2"', str(tree), PURSER, rig.url("b.tar.gz")],
                   env=rig.env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_readers(rig, tree):
    stored, back = rig.stored("a.tar.gz"), rig.dir / "back"
    rig.run("get", "-q", rig.url("a.tar.gz"), back, "--extract")
    subprocess.run(["diff", "-r", "--no-dereference", tree, back], check=True)
    shutil.rmtree(back)
    back.mkdir()
    subprocess.run(["tar", "xzf", stored, "-C", back], check=True)
    subprocess.run(["diff", "-r", "--no-dereference", tree, back], check=True)
    shutil.rmtree(back)
    with tarfile.open(stored) as archive:
        members = [(member.isfile(), member.size) for member in archive]
    (rig.dir / "go").mkdir()
    (rig.dir / "go" / "main.go").write_text(GO)
    out = subprocess.run(["go", "run", str(rig.dir / "go" / "main.go"), str(stored)], capture_output=True, check=True)
    entries, size = map(int, out.stdout.split())
    assert entries == len(members) and size == sum(size for is_file, size in members if is_file)
    print(f"read by purser, GNU tar, Python's tarfile and Go's archive/tar: {entries} entries, equal by diff -r")


def one_round(rig, tree, level, purser_first):
    """Both, in turn: what the machine does besides falls on either first."""
    if purser_first:
        ours = run_purser(rig, tree, level)
        pipe = run_pipe(rig, tree, level)
    else:
        pipe = run_pipe(rig, tree, level)
        ours = run_purser(rig, tree, level)
    load = os.getloadavg()[0]
    print(f"purser {ours[0]:.1f} s with {ours[1]:.1f} CPU-s, tar | gzip -{level} | put - {pipe[0]:.1f} s with "
          f"{pipe[1]:.1f} CPU-s: {pipe[0] / ours[0]:.2f} times faster, {pipe[1] / ours[1]:.2f} times less CPU, "
          f"load {load:.1f}", flush=True)
    return ours, pipe


def main():
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 2048) * MIB
    level = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    with Rig("versitygw") as rig:
        tree = rig.dir / "tree"
        make_sources(tree, size, sys.argv[3] if len(sys.argv) > 3 else "/usr/include")
        count = int(sys.argv[4]) if len(sys.argv) > 4 else ROUNDS
        rounds = [one_round(rig, tree, level, number % 2 == 0) for number in range(count)]
        sizes = [rig.stored(name).stat().st_size for name in ("a.tar.gz", "b.tar.gz")]
        ratio = statistics.median(pipe[0] / ours[0] for ours, pipe in rounds)
        cpu = statistics.median(pipe[1] / ours[1] for ours, pipe in rounds)
        rss, wrote = max(ours[2] for ours, _ in rounds), max(ours[3] for ours, _ in rounds)
        print(f"{ratio:.2f} times faster (median of {count}, gate 1.70), {cpu:.2f} times less CPU, RSS {rss:.0f} MiB "
              f"(gate 64), {wrote} bytes of temporary files (gate 0), {sizes[0] / MIB:.0f} MiB against gzip's "
              f"{sizes[1] / MIB:.0f}")
        check_readers(rig, tree)
        return 0 if ratio >= 1.7 and rss <= 64 and wrote == 0 else 1


sys.exit(main())
