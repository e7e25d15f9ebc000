#!/usr/bin/env python3
"""Directories as one object a file, both ways: put --archive none, get -r, ls -r, rm -r; failures, repeats, bad keys.
Usage: tree.py file|versitygw|minio"""
import json
import os
import pathlib
import random
import socket
import subprocess
import sys

from rig import LONG, MIB, PURSER, Rig

FILES = 3000 if LONG else 400


def make_tree(top):
    rng = random.Random(3)
    for i in range(FILES):
        folder = top / f"d{i % 5}" / f"e{i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{i}").write_bytes(rng.randbytes(rng.choice((0, 1, 100, 4096, 20000))))
    (top / "big.bin").write_bytes(rng.randbytes(18 * MIB + 5))
    (top / "middle.bin").write_bytes(rng.randbytes(300 * 1024))
    (top / "a.txt").write_text("sorts before a/")
    (top / "a").mkdir()
    (top / "a" / "b").write_text("sorts after a.txt")
    (top / "a" / "link").symlink_to("../a.txt")
    (top / "ünï +%20&.txt").write_text("odd name")
    os.chmod(top / "a.txt", 0o751)
    for path in top.rglob("*"):
        os.utime(path, ns=(0, rng.randrange(10 ** 18)), follow_symlinks=False)


def same(one, other):
    done = subprocess.run(["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[:2000]
    for path in one.rglob("*"):
        before, after = path.lstat(), (other / path.relative_to(one)).lstat()
        if path.is_symlink() or path.is_file():
            assert before.st_mtime_ns == after.st_mtime_ns, path
        if path.is_file() and not path.is_symlink():
            assert before.st_mode == after.st_mode, path


def round_trip(rig, tree):
    url = rig.url("p/q/")
    result = rig.result("put", tree, url, "--archive", "none")
    count = sum(1 for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    assert result["files"] == count, result
    dest = rig.dir / "back"
    rig.run("get", "-r", "-q", url, dest)
    same(tree, dest)
    keys = [json.loads(line)["key"] for line in rig.run("ls", "-r", url, "--json")[0].splitlines()]
    assert len(keys) == count and keys == sorted(keys, key=os.fsencode)
    print(f"round trip: {count} files")


def repeats(rig, tree):
    url = rig.url("p/q/")
    args = ("put", tree, url, "--archive", "none", "--skip-existing")
    result = rig.result(*args)
    assert result["files"] == 0 and result["failed"] == 0, result
    (tree / "a" / "b").write_text("sorts after A.txt")  # the same size
    (tree / "a" / "new").write_text("new")
    result = rig.result(*args)
    assert result["files"] == 2, result
    print("a repeat sends what is new or differs")


def fetch_again(rig, tree):
    """get -r --skip-existing: what is there with equal content stays as it is, whatever its time; a file of the same size
    and time but other bytes does not."""
    url, dest = rig.url("p/q/"), rig.dir / "back"
    (dest / "a.txt").write_bytes(b"SORTS before a/")
    os.utime(dest / "a.txt", ns=(0, (tree / "a.txt").stat().st_mtime_ns))
    (dest / "big.bin").open("r+b").write(b"other")
    (dest / "middle.bin").unlink()
    (dest / "a" / "b").unlink()
    (dest / "a" / "b").symlink_to("/etc/hostname")
    kept = dest / "d0" / "e0" / "f0"
    os.utime(kept, ns=(0, 1))
    before = kept.stat()
    result = rig.result("get", "-r", url, dest, "--skip-existing")
    links = sum(1 for path in tree.rglob("*") if path.is_symlink())
    assert result["files"] == 4 + links and result["failed"] == 0, result
    assert result["same"] == sum(1 for path in tree.rglob("*") if path.is_file()) - links - 4, result
    after = kept.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns), "left alone"
    subprocess.run(["diff", "-r", "--no-dereference", tree, dest], check=True)
    print("get --skip-existing fetches what is missing or differs")


def failures(rig, tree):
    """A file that cannot be read and a socket stop nothing; the list and exit 6 say which."""
    url = rig.url("f/")
    there = socket.socket(socket.AF_UNIX)
    there.bind(str(tree / "socket"))
    secret = tree / "a" / "secret"
    secret.write_text("x")
    if os.geteuid() == 0:  # root may read all: a file that goes away is not seen either, so a directory in a key's way
        secret.unlink()
        if rig.kind != "file":
            there.close()
            (tree / "socket").unlink()
            return
        (rig.stored("f") / "a" / "b").mkdir(parents=True)
        failed = "a/b"
    else:
        secret.chmod(0)
        failed = "a/secret"
    _, err = rig.run("put", tree, url, "--archive", "none", expect=6)
    assert failed in err and "socket" in err and "1 of" in err and "the same command does only those" in err, err
    if os.geteuid() == 0:
        (rig.stored("f") / "a" / "b").rmdir()
    else:
        secret.unlink()
    there.close()
    (tree / "socket").unlink()
    result = rig.result("put", tree, url, "--archive", "none")
    assert result["files"] == (1 if os.geteuid() == 0 else 0) and result["same"] > FILES, result
    result = rig.result("put", tree, url, "--archive", "none")
    assert result["files"] > FILES and result["same"] == 0, "all went well the last time: nothing is compared"
    print("failures: told one by one, exit 6, the others are sent; the same command sends only what failed")


def killed(rig, tree):
    """SIGKILL in the middle, each way: the same command moves the rest only."""
    url = rig.url("k/")
    count = sum(1 for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    dest = rig.dir / "killed"
    for args, there in ((("put", tree, url, "--archive", "none"), rig.stored("k") / "d1"), (("get", "-r", url, dest), dest / "d1")):
        process = subprocess.Popen([PURSER, *map(str, args), "-q"], env=rig.env)
        while not there.exists() and process.poll() is None:
            pass
        process.kill()
        process.wait()
        result = rig.result(*args)
        assert result["files"] + result["same"] >= count and result["failed"] == 0, (result, count)
        if process.returncode != 0:
            assert result["same"] > 0, result
        print(f"{args[0]} was {'killed' if process.returncode else 'too fast'}: {result['same']} of {count} were there")
    same(tree, dest)


def nothing_is_left(rig):
    """Of runs that ended well, or could not begin, the state directory knows nothing."""
    rig.run("put", rig.dir / "nowhere", rig.url("z/"), "--archive", "none", expect=3)
    rig.run("get", "-r", rig.url("nowhere/"), rig.dir / "z", expect=3)
    assert list((rig.dir / "state").glob("tree-*")) == []


def directories(rig):
    """Empty directories and odd modes come back; with --directories also the times of all. Not through file://."""
    tree, url = rig.dir / "dirs", rig.url("v/")
    for name, mode in (("empty", 0o755), ("private", 0o700), ("plain", 0o755), ("plain/deep", 0o755)):
        (tree / name).mkdir(parents=True)
        (tree / name).chmod(mode)
    for name in ("private/key", "plain/deep/file"):
        (tree / name).write_text(name)
    for path in tree.rglob("*"):
        os.utime(path, ns=(0, 1_600_000_000_123_456_789))
    for flags, wanted in (((), ["empty/", "plain/deep/file", "private/", "private/key"]),
                          (("--directories",), ["empty/", "plain/", "plain/deep/", "plain/deep/file", "private/",
                                                "private/key"])):
        rig.run("put", "-q", tree, url, "--archive", "none", *flags)
        keys = [json.loads(line)["key"] for line in rig.run("ls", "-r", url, "--json")[0].splitlines()]
        assert [key.removeprefix("v/") for key in keys] == wanted, keys
        one_level = [json.loads(line)["key"] for line in rig.run("ls", f"{url}private/", "--json")[0].splitlines()]
        assert one_level == ["v/private/key"], one_level
        dest = rig.dir / f"dirs{len(flags)}"
        rig.run("get", "-r", "-q", url, dest)
        for path in tree.rglob("*"):
            back = dest / path.relative_to(tree)
            assert back.stat().st_mode == path.stat().st_mode, back
            if flags or path.name in ("empty", "private", "key"):
                assert back.stat().st_mtime_ns == path.stat().st_mtime_ns, back
    print("directories come back")


def records(rig, tree):
    """--workflow: every object of the tree is its artifact, sent now or there before; what is not recorded stays."""
    url = rig.url("w/")
    flags = ("--archive", "none", "--workflow", "argo/tree", "--gc", "OnWorkflowCompletion", "--label", "kind=tree")
    rig.run("put", "-q", tree / "a.txt", rig.url("w/of-nobody"))
    rig.run("put", "-q", tree / "d0", rig.url("w/d0/"), "--archive", "none")
    sent = rig.result("put", tree, url, "--skip-existing", *flags)
    assert sent["files"] > 0 and sent["same"] > 0, sent
    again = rig.result("put", tree, url, "--skip-existing", *flags)
    assert again["files"] == 0 and again["same"] == sent["files"] + sent["same"], (sent, again)
    rig.run("workflow", "argo/tree", "completed", "--status", "Succeeded")
    out, _ = rig.run("reclaims", "ls", "--json", "--limit", "0")
    planned = sorted(json.loads(line)["url"] for line in out.splitlines())
    out, _ = rig.run("ls", "-r", "--json", url)
    above = url if rig.kind == "file" else f"{rig.root}/"  # what the keys are below
    there = sorted(above + json.loads(line)["key"] for line in out.splitlines())
    assert planned == [one for one in there if not one.endswith("of-nobody")], sorted(set(planned) ^ set(there))[:9]
    rig.run("reclaims", "run", "--max", "100%")
    out, _ = rig.run("ls", "-r", "--json", url)
    assert [json.loads(line)["key"].rsplit("/", 1)[-1] for line in out.splitlines()] == ["of-nobody"], out
    print(f"records: {len(planned)} objects of a tree are reclaimed with their workflow")


def bad_keys(rig):
    """Keys that are no paths, and links that lead out, fail alone. versitygw and file:// hold no such keys; minio does."""
    url, dest = rig.url("bad/"), rig.dir / "bad"
    good = rig.dir / "good"
    good.mkdir()
    (good / "fine").write_text("fine")
    (good / "out").symlink_to("../../etc/passwd")
    rig.run("put", "-q", good, url, "--archive", "none")
    _, err = rig.run("get", "-r", url, dest, expect=6)
    assert "out: a symbolic link that may lead out" in err, err
    assert [path.name for path in dest.iterdir()] == ["fine"]
    rig.run("get", "-r", "-q", "--outside-links", url, dest)
    assert os.readlink(dest / "out") == "../../etc/passwd"
    print("a link that leads out fails alone")


def filters(rig, tree):
    url, dest = rig.url("g/"), rig.dir / "some"
    rig.run("put", "-q", tree, url, "--archive", "none", "--include", "*.txt", "--include", "f1*", "--exclude", "d2")
    wanted = {str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file() and not p.is_symlink()
              and (p.name.endswith(".txt") or p.name.startswith("f1")) and "d2" not in p.parts}
    rig.run("get", "-r", "-q", url, dest, "--exclude", "a.txt")
    found = {str(p.relative_to(dest)) for p in dest.rglob("*") if p.is_file()}
    assert found == wanted - {"a.txt"}, found ^ wanted
    print("filters")


def removal(rig):
    rig.run("rm", "-r", "-q", rig.url("p/"))
    assert rig.run("ls", "-r", rig.url("p/"), expect=3)[0] == ""
    _, err = rig.run("get", "-r", rig.url("p/"), rig.dir / "nothing", expect=3)
    assert "nothing there" in err, err
    print("removed")


def main():
    with Rig(sys.argv[1]) as rig:
        tree = pathlib.Path(rig.dir / "tree")
        tree.mkdir()
        make_tree(tree)
        round_trip(rig, tree)
        fetch_again(rig, tree)
        repeats(rig, tree)
        failures(rig, tree)
        killed(rig, tree)
        nothing_is_left(rig)
        if rig.kind != "file":
            directories(rig)
        bad_keys(rig)
        filters(rig, tree)
        records(rig, tree)
        removal(rig)


main()
