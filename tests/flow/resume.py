#!/usr/bin/env python3
"""Kills at random instants and what else can go wrong between two runs. Usage: resume.py file|versitygw|minio|ceph|oss"""
import json
import os
import random
import re
import shutil
import signal
import sys
import time

from rig import LONG, MIB, Rig, kill, sha256

KILLS = 20
SIZE = (2048 if LONG else 192) * MIB


def parts_sent(rig):
    """What the server's log says: how many parts it answered with 200, and which of them were finished before a run
    listed the upload's parts and were sent again all the same."""
    put = re.compile(r"\| 200 \|.*\| PUT \|.*partNumber=(\d+)&uploadId=([\w-]+)")
    listed = re.compile(r"\| 200 \|.*\| GET \|.*uploadId=([\w-]+)")
    finished, known, again, count = set(), set(), [], 0
    for line in rig.log.read_text(errors="replace").splitlines():
        if match := put.search(line):
            part = (match[2], int(match[1]))
            count += 1
            if part in known:
                again.append(part)
            finished.add(part)
        elif match := listed.search(line):
            known |= {part for part in finished if part[0] == match[1]}
    return count, again


def timed(run):
    started = time.monotonic()
    run()
    return time.monotonic() - started


def wait_until_quiet(rig):
    """The server ends what it had begun for a client that is gone; from then on its log tells what was finished."""
    size, since = -1, time.monotonic()
    while rig.server and time.monotonic() - since < 0.5:
        if rig.log.stat().st_size != size:
            size, since = rig.log.stat().st_size, time.monotonic()
        time.sleep(0.01)


def kill_uploads(rig, source, rng):
    whole = timed(lambda: rig.run("put", "-q", source, rig.url("warm.bin")))
    killed = finished = resumed = 0
    while killed < KILLS:
        process = rig.start("put", "-q", source, rig.url("k.bin"))
        time.sleep(rng.uniform(0, whole))
        if process.poll() is None:
            kill(process)
            killed += 1
            wait_until_quiet(rig)
            continue
        _, err = process.communicate()
        assert process.returncode == 0, err.decode()
        assert sha256(rig.stored("k.bin")) == sha256(source)
        finished += 1
        rig.run("rm", "-q", rig.url("k.bin"))
    last = rig.result("put", source, rig.url("k.bin"))
    resumed = last["resumed_parts"]
    assert sha256(rig.stored("k.bin")) == sha256(source)
    assert rig.uploads_left() == [], rig.uploads_left()
    assert rig.run("uploads", "--json")[0] == ""
    text = f"upload: {killed} kills, {finished} finished in between, last run resumed {resumed} parts"
    if rig.kind == "versitygw":
        count, again = parts_sent(rig)
        text += f", {count} parts answered, {len(again)} finished ones sent twice"
        assert not again, text
    print(text)


def kill_downloads(rig, source, rng):
    dest = rig.dir / "out.bin"
    whole = timed(lambda: rig.run("get", "-q", rig.url("k.bin"), dest))
    dest.unlink()
    killed = finished = 0
    while killed < KILLS:
        process = rig.start("get", "-q", rig.url("k.bin"), dest)
        time.sleep(rng.uniform(0, whole))
        if process.poll() is None:
            kill(process)
            killed += 1
            if not dest.exists():
                continue  # what is seen under that name is whole: checked below
        else:
            process.communicate()
        assert sha256(dest) == sha256(source)
        finished += 1
        dest.unlink()
    last = rig.result("get", rig.url("k.bin"), dest)
    assert last["verified"] == rig.keeps_checksums and sha256(dest) == sha256(source)
    assert [p.name for p in rig.dir.iterdir() if "purser-get" in p.name] == []
    print(f"download: {killed} kills, {finished} finished in between, last run resumed {last['resumed_ranges']} ranges")
    dest.unlink()


def interrupted(rig, source, key, parts=2):
    """A put that was killed when at least `parts` parts were durable."""
    while True:
        process = rig.start("put", "-q", "-c", "1", source, rig.url(key))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            out, _ = rig.run("uploads", "--json")
            if f'"done_parts":{parts - 1}' not in out and '"done_parts":0' not in out and '"upload"' in out:
                break
        if process.poll() is None:
            kill(process)
            if rig.uploads_left():
                return  # and not killed on its last instruction
        else:
            process.communicate()
        rig.run("rm", "-q", rig.url(key))


def lost_checkpoint(rig, source):
    interrupted(rig, source, "lost.bin")
    shutil.rmtree(rig.dir / "state")
    result = rig.result("put", source, rig.url("lost.bin"))
    assert result["adopted"] and result["resumed_parts"] >= 1, result
    assert sha256(rig.stored("lost.bin")) == sha256(source)
    assert rig.uploads_left() == []
    print(f"lost checkpoint: found at the store, {result['resumed_parts']} parts not sent again")


def lost_checkpoint_of_other_content(rig, source):
    other = rig.source("other.bin", source.stat().st_size)
    interrupted(rig, other, "mixed.bin")
    shutil.rmtree(rig.dir / "state")
    result = rig.result("put", source, rig.url("mixed.bin"))
    assert not result["adopted"] and result["resumed_parts"] == 0, result
    assert sha256(rig.stored("mixed.bin")) == sha256(source)
    print("upload of other content at the store: left alone")


def forgotten_upload(rig, source):
    interrupted(rig, source, "forgot.bin")
    rig.forget_uploads()
    result = rig.result("put", source, rig.url("forgot.bin"))
    assert result["resumed_parts"] == 0, result
    assert sha256(rig.stored("forgot.bin")) == sha256(source)
    print("upload forgotten by the store: sent afresh")


def changed_source(rig, source):
    copy = rig.dir / "changing.bin"
    shutil.copyfile(source, copy)
    interrupted(rig, copy, "changed.bin")
    with open(copy, "r+b") as file:
        file.write(b"another beginning")
    _, err = rig.run("put", "-q", copy, rig.url("changed.bin"), expect=9)
    assert "--restart" in err, err
    rig.run("put", "-q", "--restart", copy, rig.url("changed.bin"))
    assert sha256(rig.stored("changed.bin")) == sha256(copy)
    print("changed source: refused with exit 9, --restart sends it")


def changed_source_same_times(rig, source):
    copy = rig.dir / "sly.bin"
    shutil.copyfile(source, copy)
    interrupted(rig, copy, "sly.bin")
    times = copy.stat()
    with open(copy, "r+b") as file:
        file.write(b"another beginning")
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    _, err = rig.run("put", "-q", copy, rig.url("sly.bin"), expect=9)
    assert "part 1 differs" in err, err
    rig.run("put", "-q", "--restart", copy, rig.url("sly.bin"))
    print("changed source with the old times: seen by the checksum of a done part")


def truncated_source(rig, source):
    copy = rig.dir / "short.bin"
    shutil.copyfile(source, copy)
    process = rig.start("put", "-q", "-c", "1", copy, rig.url("short.bin"))
    while '"upload"' not in rig.run("uploads", "--json")[0] and process.poll() is None:
        pass
    os.truncate(copy, 1000)
    _, err = process.communicate()
    # Exit 0: all was read before the truncation.
    assert process.returncode in (0, 9), (process.returncode, err)
    assert process.returncode == 0 or b"truncated" in err or b"changed size" in err, err
    if process.returncode:
        number = json.loads(rig.run("uploads", "--json")[0].splitlines()[0])["id"]
        rig.run("uploads", "-q", "abort", number)
    print(f"truncated source: exit {process.returncode}")


def locked(rig):
    reader, writer = os.pipe()
    process = rig.start("put", "-q", "--part-size", "5MiB", "-", rig.url("locked.bin"), stdin=reader)
    os.close(reader)
    block = os.urandom(MIB)
    for _ in range(12):
        os.write(writer, block)
    while '"upload"' not in rig.run("uploads", "--json")[0]:
        time.sleep(0.01)
    small = rig.source("small.bin", 20 * MIB)
    _, err = rig.run("put", "-q", small, rig.url("locked.bin"), expect=7)
    assert f"locked by pid {process.pid}" in err, err
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143, process.returncode
    os.close(writer)
    # The same stream again: what the store has is compared and not sent again; a dead owner's lock is taken over.
    result = rig.result("put", "--part-size", "5MiB", "-", rig.url("locked.bin"), input=block * 30)
    assert result["resumed_parts"] >= 1, result
    assert rig.stored("locked.bin").read_bytes() == block * 30
    print(f"lock: held against a second process, taken over from a dead one; stream resumed {result['resumed_parts']} parts")


def stop_signals(rig, source):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = rig.start("put", "-q", "-c", "1", source, rig.url("stop.bin"))
        while f'"pid":{process.pid}' not in rig.run("uploads", "--json")[0] and process.poll() is None:
            pass  # from the moment it has the lock it handles signals
        process.send_signal(number)
        process.communicate()
        # -number: it had done its work and let go of its handlers, an instant before it ended by itself.
        assert process.returncode in (code, 0, -number), process.returncode
        assert process.returncode == code or rig.run("stat", rig.url("stop.bin")), "ended and left no object"
    rig.run("put", "-q", source, rig.url("stop.bin"))
    assert sha256(rig.stored("stop.bin")) == sha256(source)
    print("SIGINT is exit 130, SIGTERM exit 143, both resumable")


def main():
    seed = int(os.environ.get("PURSER_TEST_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    with Rig(sys.argv[1]) as rig:
        source = rig.source("source.bin", SIZE + 12345)
        kill_uploads(rig, source, rng)
        kill_downloads(rig, source, rng)
        small = rig.source("part.bin", 96 * MIB + 1)
        lost_checkpoint(rig, small)
        lost_checkpoint_of_other_content(rig, small)
        rig.forget_uploads()
        forgotten_upload(rig, small)
        changed_source(rig, small)
        changed_source_same_times(rig, small)
        truncated_source(rig, small)
        locked(rig)
        stop_signals(rig, small)
        assert rig.uploads_left() == [], rig.uploads_left()


main()
