#!/usr/bin/env python3
"""Directories as archives, both ways: round trips, readers that are not ours, kills at random instants, changed trees.
Usage: archive.py file|versitygw|minio"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time

from rig import LONG, MIB, Rig, kill, sha256

KILLS = 20 if LONG else 5


def make_tree(top, size, seed):
    """Files of 0 to 1 MiB, half of them compressible; links, holes, odd names."""
    rng = random.Random(seed)
    made = 0
    number = 0
    while made < size:
        folder = top / f"d{number % 7}" / f"e{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        length = min(int(rng.expovariate(1 / 60000)), MIB)
        text = rng.randbytes(length) if number % 2 else (b"int line_%d;\n" % number) * (length // 12)
        (folder / f"f{number}.c").write_bytes(text)
        made += len(text) + 512
        number += 1
    (top / "empty").mkdir()
    (top / "nothing").touch()
    (top / "d0" / "link").symlink_to("e0/f0.c")
    (top / "d1" / "up").symlink_to("../d0")
    os.link(top / "d0" / "e0" / "f0.c", top / "hard")
    with open(top / "holes", "wb") as file:
        file.truncate(20 * MIB)
        file.seek(7 * MIB + 5)
        file.write(b"in the middle")
    (top / "ünï ço\ndé").write_text("odd name")
    long = top / ("d" * 140) / ("e" * 140)
    long.mkdir(parents=True)
    (long / "f").write_text("long name")
    os.chmod(top / "d0", 0o750)
    os.chmod(top / "nothing", 0o604)
    os.utime(top / "d0", (1000000000, 1000000000))
    return number


def same(one, other):
    done = subprocess.run(["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[:2000]


def same_metadata(one, other):
    for path in one.rglob("*"):
        before, after = path.lstat(), (other / path.relative_to(one)).lstat()
        if not path.is_symlink():
            assert before.st_mode == after.st_mode, path
        assert int(before.st_mtime) == int(after.st_mtime), path


def round_trips(rig, tree):
    for name in ("tar", "tar.gz", "tar.zst", "zip"):
        url, dest = rig.url("t." + name), rig.dir / ("back." + name)
        rig.run("put", "-q", tree, url, "--archive", name)
        rig.run("get", "-q", url, dest, "--extract")
        same(tree, dest)
        same_metadata(tree, dest)
        first = sha256(rig.stored("t." + name))
        rig.run("put", "-q", tree, url, "--archive", name)
        assert sha256(rig.stored("t." + name)) == first, f"{name}: not the same bytes twice"
        if name != "zip":
            assert (dest / "hard").stat().st_nlink == 2
            assert (dest / "holes").stat().st_blocks * 512 < MIB, "holes were filled"
    assert rig.uploads_left() == []
    print("round trips: tar tar.gz tar.zst zip")


def other_readers(rig, tree):
    for level in range(10):
        url = rig.url(f"l{level}.tgz")
        rig.run("put", "-q", tree, url, "--archive", "tar.gz", "--compression-level", level)
        dest = rig.dir / f"gnu{level}"
        dest.mkdir()
        subprocess.run(["tar", "xzf", rig.stored(f"l{level}.tgz"), "-C", dest], check=True)
        same(tree, dest)
        with tarfile.open(rig.stored(f"l{level}.tgz")) as archive:
            names = {member.name.rstrip("/") for member in archive}
        assert names == {str(path.relative_to(tree)) for path in tree.rglob("*")}
    print("GNU tar and Python's tarfile read levels 0 to 9")


def until_done(rig, rng, args, whole):
    """Run it, killed at random instants, until it ends by itself."""
    killed = finished = 0
    while killed < KILLS:
        process = rig.start(*args)
        time.sleep(rng.uniform(0, whole))
        if process.poll() is None:
            kill(process)
            killed += 1
            continue
        _, err = process.communicate()
        assert process.returncode == 0, err.decode(errors="replace")
        finished += 1
    return finished


def kills(rig, tree):
    rng = random.Random(7)
    url, dest = rig.url("k.tar.gz"), rig.dir / "killed"
    put = ("put", "-q", tree, url, "--archive", "tar.gz", "--part-size", "5MiB")
    started = time.monotonic()
    rig.run("put", "-q", tree, rig.url("warm.tar.gz"), "--archive", "tar.gz", "--part-size", "5MiB")
    whole = time.monotonic() - started
    finished = until_done(rig, rng, put, whole)
    result = rig.result(*put)
    assert sha256(rig.stored("k.tar.gz")) == sha256(rig.stored("warm.tar.gz"))
    assert rig.uploads_left() == []
    print(f"upload: {KILLS} kills, {finished} finished between, the last run resumed {result['resumed_parts']} parts")
    get = ("get", "-q", url, dest, "--extract")
    started = time.monotonic()
    rig.run("get", "-q", url, rig.dir / "warm", "--extract")
    whole = time.monotonic() - started
    finished = until_done(rig, rng, get, whole)
    rig.run(*get)
    same(tree, dest)
    same_metadata(tree, dest)
    print(f"extraction: {KILLS} kills, {finished} finished between, whole and equal")


def noted(rig, get, dest):
    """Run an extraction that kills itself behind its first note. True when it did: it may have ended before it was stopped
    for longer than the interval of notes."""
    rig.env["PURSER_FAULT_POINT"] = "extract.noted"
    process = rig.start(*get)
    del rig.env["PURSER_FAULT_POINT"]
    while process.poll() is None and not (dest.exists() and any(dest.rglob("*.c"))):
        pass
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.1)  # what is due by the clock
    process.send_signal(signal.SIGCONT)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def killed_and_run_again(rig, get, dest, *more, saved="resumed_bytes"):
    """The result of a run after a kill behind a note; what was noted may be too little to save something."""
    for _ in range(30):
        shutil.rmtree(dest, ignore_errors=True)
        if noted(rig, get, dest):
            left = rig.result(*get, *more)
            if left[saved] > 0 or more:
                return left
    raise AssertionError("never killed behind a note")


def goes_on(rig, tree):
    """An extraction that was killed behind a note: the rest only, directories' times and modes as if there was no kill."""
    for name in ("tar", "tar.gz", "zip", "tar.zst"):
        url, dest = rig.url("g." + name), rig.dir / ("on." + name)
        rig.run("put", "-q", tree, url, "--archive", name)
        get = ("get", "-q", url, dest, "--extract")
        # A frame of zstd has 64 MiB of the tar, and the kill comes sooner.
        saved = "resumed_entries" if name == "tar.zst" else "resumed_bytes"
        result = killed_and_run_again(rig, get, dest, saved=saved)
        assert result["verified"] and result["resumed_entries"] > 0, result
        same(tree, dest)
        same_metadata(tree, dest)
        assert not list(dest.glob(".purser*"))
    get_tar = ("get", "-q", rig.url("g.tar"), dest, "--extract")
    # What was removed since is no reason to leave it out.
    for removed in (dest, dest / "d3"):
        for _ in range(3):
            shutil.rmtree(dest, ignore_errors=True)
            noted(rig, get_tar, dest)
            shutil.rmtree(removed, ignore_errors=True)
            dest.mkdir(exist_ok=True)
            rig.run(*get_tar)
            same(tree, dest)
    # Other options would make other files: from the start.
    result = killed_and_run_again(rig, get, dest, "--exclude", "d1")
    assert result["resumed_entries"] == 0, result
    print("a killed extraction fetches and writes the rest only")


def stop_with_parts(rig, tree, url, name="tar", parts=1):
    """Interrupt an upload that has parts at the store, and not the last one; returns its arguments."""
    args = ("put", "-q", tree, url, "--archive", name, "--part-size", "5MiB", "-c", "1")
    while True:
        process = rig.start(*args)
        while process.poll() is None and f'"done_parts":{parts}' not in rig.run("uploads", "--json")[0]:
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        left = rig.run("uploads", "--json")[0]
        if process.returncode == 130 and '"sending"' in left and f'"url":"{url}"' in left:
            return args
        assert process.returncode in (0, 130, -signal.SIGINT), err.decode(errors="replace")
        rig.run("put", "-q", tree, url, "--archive", name, "--restart")


def interrupted(rig, tree):
    """Stopped with parts at the store; then a tree that changed is refused, and the same one resumes."""
    args = stop_with_parts(rig, tree, rig.url("i.tar"))
    (tree / "more").write_text("x")
    _, err = rig.run(*args, expect=9)
    assert "--restart" in err, err
    (tree / "more").unlink()
    os.utime(tree, (1, 1))  # the root itself is no entry
    rig.run(*args)
    dest = rig.dir / "after"
    rig.run("get", "-q", rig.url("i.tar"), dest, "--extract")
    same(tree, dest)
    print("a changed tree is refused, the same one resumes")


def adopted(rig, tree):
    """The checkpoint is lost: the upload at the store is found, proved part by part, and finished."""
    state, away = rig.dir / "state", rig.dir / "state-away"
    for name in ("tar.gz", "tar"):
        args = stop_with_parts(rig, tree, rig.url("a." + name), name, parts=2)
        shutil.rmtree(state)
        result = rig.result(*args)
        assert result["adopted"] and result["resumed_parts"] >= 2, result
        assert rig.uploads_left() == []
        dest = rig.dir / ("adopted." + name)
        rig.run("get", "-q", rig.url("a." + name), dest, "--extract")
        same(tree, dest)
    # An upload that begins alike but goes on otherwise (from its second or third part on) is another's: left alone.
    with tarfile.open(rig.stored("a.tar")) as archive:
        odd = tree / next(member.name for member in archive if member.offset > 8 * MIB and member.name.endswith(".c"))
    before, times = odd.read_bytes(), odd.stat()
    rig.run("put", "-q", tree, rig.url("mine.tar"), "--archive", "tar")
    odd.write_bytes(b"other" + before)
    os.utime(odd, ns=(times.st_atime_ns, times.st_mtime_ns))
    rig.run("put", "-q", tree, rig.url("other.tar"), "--archive", "tar")
    args = stop_with_parts(rig, tree, rig.url("b.tar"), parts=4)
    state.rename(away)
    odd.write_bytes(before)
    os.utime(odd, ns=(times.st_atime_ns, times.st_mtime_ns))
    rig.run(*args)
    assert sha256(rig.stored("b.tar")) == sha256(rig.stored("mine.tar"))
    assert len(rig.uploads_left()) == 1
    shutil.rmtree(state)
    away.rename(state)
    odd.write_bytes(b"other" + before)
    os.utime(odd, ns=(times.st_atime_ns, times.st_mtime_ns))
    rig.run(*args)
    assert sha256(rig.stored("b.tar")) == sha256(rig.stored("other.tar"))
    print("a lost checkpoint: ours is adopted, another's is left alone")


def other_maker(rig, tree):
    """The interrupted run had another compressor (here: in its checkpoint): its own upload goes, a new one is sent."""
    args = stop_with_parts(rig, tree, rig.url("m.tar"), parts=2)
    listed = [json.loads(line) for line in rig.run("uploads", "--json")[0].splitlines()]
    (upload_id,) = [row["upload_id"].encode() for row in listed if row.get("url") == rig.url("m.tar")]
    path = rig.dir / "state" / "data.mdb"
    data, at = bytearray(path.read_bytes()), -1
    while (at := data.find(upload_id, at + 1)) >= 0:
        maker = at + len(upload_id) + 1 + 4 * 8 + 24  # state/README.md: kind, four numbers, the digest's first part
        data[maker:maker + 8] = b"\x55" * 8
    path.write_bytes(data)
    _, err = rig.run(args[0], *args[2:])
    assert "another version or CPU" in err and "resumed" not in err, err
    assert rig.uploads_left() == []
    rig.run("put", "-q", tree, rig.url("n.tar"), "--archive", "tar")
    assert sha256(rig.stored("m.tar")) == sha256(rig.stored("n.tar"))
    print("another compressor starts afresh")


def filters_and_modes(rig, tree):
    url, dest = rig.url("f.tar"), rig.dir / "filtered"
    rig.run("put", "-q", tree, url, "--archive", "tar", "--include", "*.c", "--exclude", "d1", "--exclude", "d2/*")
    rig.run("get", "-q", url, dest, "--extract", "--mode", "0700", "--recurse-mode")
    found = {str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(tree)) for path in tree.rglob("*.c")
              if not str(path.relative_to(tree)).startswith(("d1/", "d2/")) and path.name.startswith("f")}
    assert found == wanted, found ^ wanted
    assert all(path.stat().st_mode & 0o777 == 0o700 for path in dest.rglob("*.c"))
    part = rig.dir / "part"
    rig.run("put", "-q", tree, rig.url("p.tar"), "--archive", "tar")
    rig.run("get", "-q", rig.url("p.tar"), part, "--extract", "--include", "*.c", "--exclude", "d1", "--exclude", "d2/*")
    assert {str(path.relative_to(part)) for path in part.rglob("*") if not path.is_dir()} == wanted
    assert not any(path.is_dir() and not any(path.iterdir()) for path in part.rglob("*")), "directories nobody needs"
    assert (part / "d0").stat().st_mode & 0o777 == 0o750 and (part / "d0").stat().st_mtime == 1000000000
    _, err = rig.run("put", tree, rig.url("x"), expect=2)
    assert "--archive" in err, err
    _, err = rig.run("put", tree, rig.url("x"), "--archive", "rar", expect=2)
    assert "tar.gz" in err, err
    _, err = rig.run("put", tree, rig.url("x"), "--archive", "tar.gz", "--compression-level", "10", expect=2)
    assert "0 to 9" in err, err
    _, err = rig.run("get", url, dest, "--include", "*.c", expect=2)
    assert "--include goes with --extract or -r" in err, err
    _, err = rig.run("put", tree, url, "--skip-existing", expect=2)
    assert "--skip-existing goes with --archive none" in err, err
    print("filters and modes")


def owners(rig):
    """Whoever runs it owns what comes out, setuid is gone; with --same-owner the archive's numbers count, for root."""
    tree = rig.dir / "owned"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "f").write_text("x")
    (tree / "l").symlink_to("d/f")
    os.chmod(tree / "d" / "f", 0o4755)
    if os.getuid() == 0:
        for path in (tree / "d", tree / "d" / "f", tree / "l"):
            os.chown(path, 1234, 4321, follow_symlinks=False)
            os.chmod(tree / "d" / "f", 0o4755)
    for name in ("tar.gz", "zip"):
        rig.run("put", "-q", tree, rig.url("o." + name), "--archive", name)
        plain, same_owner = rig.dir / f"plain.{name}", rig.dir / f"same.{name}"
        rig.run("get", "-q", rig.url("o." + name), plain, "--extract")
        assert (plain / "d" / "f").stat().st_mode & 0o7777 == 0o755
        assert {path.lstat().st_uid for path in plain.rglob("*")} == {os.getuid()}
        if os.getuid() == 0:
            rig.run("get", "-q", rig.url("o." + name), same_owner, "--extract", "--same-owner")
            for path in same_owner.rglob("*"):
                assert (path.lstat().st_uid, path.lstat().st_gid) == (1234, 4321), path
            assert (same_owner / "d" / "f").stat().st_mode & 0o7777 == 0o755
    _, err = rig.run("get", rig.url("o.zip"), rig.dir / "x", "--same-owner", expect=2)
    assert "--same-owner goes with --extract" in err, err
    print("owners on request, no setuid")


def attributes(rig, tree):
    """Extended attributes, on request; where the file system of the test has them."""
    try:
        os.setxattr(tree / "nothing", "user.purser.test", b"value\0with zero")
    except OSError:
        print("no extended attributes here")
        return
    for flags, kept in (((), False), (("--xattrs",), True)):
        url, dest = rig.url("x.tar"), rig.dir / f"attributes{kept}"
        rig.run("put", "-q", tree, url, "--archive", "tar", *flags)
        rig.run("get", "-q", url, dest, "--extract", *flags)
        assert ("user.purser.test" in os.listxattr(dest / "nothing")) == kept
        assert not kept or os.getxattr(dest / "nothing", "user.purser.test") == b"value\0with zero"
    os.removexattr(tree / "nothing", "user.purser.test")
    print("extended attributes on request")


def main():
    with Rig(sys.argv[1]) as rig:
        tree = rig.dir / "tree"
        tree.mkdir()
        make_tree(tree, 12 * MIB, 1)
        round_trips(rig, tree)
        if rig.kind == "file":
            other_readers(rig, tree)
            filters_and_modes(rig, tree)
            attributes(rig, tree)
            owners(rig)
        big = rig.dir / "big"
        big.mkdir()
        make_tree(big, (512 if LONG else 40) * MIB, 2)
        kills(rig, big)
        goes_on(rig, big)
        interrupted(rig, big)
        adopted(rig, big)
        other_maker(rig, big)


main()
