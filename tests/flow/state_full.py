#!/usr/bin/env python3
"""A state on a disk that is full, on one that may not be written, and one that a killed reader held open: what was
acknowledged stays, what was not is told in one line, and work goes on once there is room."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from rig import Rig, kill

KIB = 1024


def mount(*args):
    return subprocess.run(["mount", *args], capture_output=True, text=True, check=False)


class Disk:
    """A file system in memory of a few MiB."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="purser-disk-"))
        done = mount("-t", "tmpfs", "-o", "size=4m", "none", str(self.dir))
        self.refused = done.stderr.strip() if done.returncode != 0 else ""
        return self

    def __exit__(self, *_):
        if not self.refused:
            subprocess.run(["umount", "-l", str(self.dir)], check=False)
        self.dir.rmdir()


def workflows(rig):
    out, _ = rig.run("workflow", "ls", "--json")
    return {json.loads(line)["name"] for line in out.splitlines() if json.loads(line)["type"] == "workflow"}


def report(rig, name):
    """Report a workflow; True when it was acknowledged. What fails says so in one line, with the exit code of a full disk."""
    done = subprocess.run([os.environ.get("PURSER", "build/release/purser"), "workflow", f"argo/{name}", "completed", "--status",
                           "Succeeded", "--template", "t" * 200], env=rig.env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return True
    assert done.returncode == 10, f"exit {done.returncode}: {done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and "space" in lines[0].lower(), done.stderr
    return False


def full(rig, disk):
    assert report(rig, "first")
    ballast = disk.dir / "ballast"
    with open(ballast, "wb") as file:
        try:
            while True:
                file.write(bytes(16 * KIB))
                file.flush()
        except OSError:
            pass
    with open(ballast, "ab") as file:
        file.truncate(max(ballast.stat().st_size - 128 * KIB, 0))
    acknowledged = {"first"}
    for i in range(2000):
        if not report(rig, f"w{i}"):
            break
        acknowledged.add(f"w{i}")
    else:
        raise AssertionError("the disk was never full")
    assert workflows(rig) == acknowledged, "read on a full disk"
    rig.run("reclaims", "ls")
    ballast.unlink()
    assert report(rig, "after")
    assert workflows(rig) == acknowledged | {"after"}
    print(f"ok  a full disk: {len(acknowledged)} acknowledged are there, then one line and exit 10; with room it goes on")


def read_only(rig, disk):
    known = workflows(rig)
    done = mount("-o", "remount,ro", str(disk.dir))
    assert done.returncode == 0, done.stderr
    try:
        assert workflows(rig) == known
        rig.run("reclaims", "ls")
        rig.run("reclaims", "run", "--dry-run")
        _, err = rig.run("workflow", "argo/late", "completed", "--status", "Failed", expect=4)
        assert len(err.splitlines()) == 1, err
    finally:
        mount("-o", "remount,rw", str(disk.dir))
    assert workflows(rig) == known
    print("ok  a read-only disk: all is read, a write is refused in one line")


def killed_reader(rig, disk):
    """Reads that are killed in the middle hold no pages for ever: the file does not grow with every write after them."""
    data = disk.dir / "state" / "data.mdb"
    for _ in range(3):
        reader = rig.start("workflow", "ls", "--json")
        reader.stdout.read(1)  # it is within its list, or has written all of it
        kill(reader)
    for i in range(20):
        assert report(rig, f"k{i}")
    before = data.stat().st_size
    for i in range(100):
        assert report(rig, f"k{i % 20}")
    assert data.stat().st_size <= before + 64 * KIB, f"{before} -> {data.stat().st_size}"
    print("ok  readers that were killed do not make the file grow")


def side_by_side(rig):
    """Two processes report at once: both are there."""
    pairs = [(rig.start("workflow", f"argo/a{i}", "completed", "--status", "Failed"),
              rig.start("workflow", f"argo/b{i}", "completed", "--status", "Failed")) for i in range(5)]
    for pair in pairs:
        for process in pair:
            _, err = process.communicate()
            assert process.returncode == 0, err
    assert {f"{letter}{i}" for letter in "ab" for i in range(5)} <= workflows(rig)
    print("ok  ten processes at once: all reports are there")


def main():
    with Disk() as disk, Rig(sys.argv[1]) as rig:
        if disk.refused:
            print(f"skipped: no file system of its own can be mounted here: {disk.refused}")
            return
        rig.env["PURSER_STATE_DIR"] = str(disk.dir / "state")
        full(rig, disk)
        read_only(rig, disk)
        killed_reader(rig, disk)
        side_by_side(rig)


main()
