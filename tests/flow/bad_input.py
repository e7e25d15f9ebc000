#!/usr/bin/env python3
"""Bad input gets one line that says what to do, the right exit code, and leaves nothing half-written."""
import json
import os
import pathlib
import subprocess
import sys

from rig import MIB, Rig, free_port, sha256


def check(rig, name, expect, words, *args, env=None, **kwargs):
    saved = dict(rig.env)
    rig.env.update(env or {})
    out, err = rig.run(*args, expect=expect, **kwargs)
    rig.env = saved
    lines = [line for line in err.splitlines() if line.startswith("purser: ")]
    assert len(lines) == 1, f"{name}: not one line: {err}"
    for word in words:
        assert word in lines[0], f"{name}: `{word}` is not in: {lines[0]}"
    print(f"ok  exit {expect}  {name}: {lines[0]}")
    return out, lines[0]


def usage(rig):
    check(rig, "no such command", 2, ["unknown command", "help"], "putt")
    check(rig, "unknown flag", 2, ["--part-sise", "--part-size"], "put", "--part-sise", "1", "a", "b")
    check(rig, "flag without value", 2, ["needs a value"], "put", "a", "b", "--part-size")
    check(rig, "bad size", 2, ["64MiB"], "put", "--part-size", "big", __file__, rig.url("x"))
    check(rig, "bad size by variable", 2, ["PURSER_PART_SIZE"], "put", __file__, rig.url("x"),
          env={"PURSER_PART_SIZE": "big"})
    check(rig, "too few arguments", 2, ["usage: purser put"], "put", "a")
    check(rig, "unknown scheme", 2, ["s3://"], "put", __file__, "gopher://b/k")
    check(rig, "no scheme", 2, ["s3://"], "put", __file__, "bucket/key")
    check(rig, "no key", 2, ["key"], "put", __file__, rig.url(""))


def sources(rig):
    check(rig, "missing file", 3, ["/nowhere/file"], "put", "/nowhere/file", rig.url("x"))
    check(rig, "a directory", 2, ["is a directory"], "put", "/tmp", rig.url("x"))
    check(rig, "a device", 2, ["-"], "put", "/dev/null", rig.url("x"))
    check(rig, "missing object", 3, ["not found"], "get", rig.url("nothing"), rig.dir / "x")
    assert not (rig.dir / "x").exists()
    check(rig, "target directory missing", 3, ["/nowhere/x"], "get", rig.url("there"), "/nowhere/x")
    check(rig, "rm of a prefix", 2, ["-r"], "rm", rig.url("dir/"))


def settings(rig):
    path = rig.dir / "bad.yaml"
    path.write_text("log:\n  level: info\ntransfer:\n  memory_limitt: 1GiB\n")
    check(rig, "unknown setting", 2, [f"{path}:4", "memory_limitt"], "ls", rig.url(""), "--config", path)
    path.write_text("log: {level: loud}\n")
    check(rig, "bad value", 2, [f"{path}:1", "error warn info debug"], "ls", rig.url(""), "--config", path)
    path.write_text("log: [\n")
    check(rig, "bad YAML", 2, [str(path)], "ls", rig.url(""), "--config", path)
    check(rig, "settings file missing", 3, ["/nowhere.yaml"], "ls", rig.url(""), env={"PURSER_CONFIG": "/nowhere.yaml"})


def policies(rig):
    directory = rig.dir / "policies"
    directory.mkdir()
    file = directory / "50-mine.lua"
    env = {"PURSER_POLICY_PATH": str(directory)}
    small = rig.source("small.bin", 1000)
    for name, text, words in (
            ("syntax error", "return {\n  api = 1,,\n}\n", [f"{file}:2"]),
            ("misspelt hook", "return {\n  api = 1, name = 'm',\n  uplaod = function() end,\n}\n",
             [f"{file}:3", "did you mean `upload`"]),
            ("no table", "local x = 1\n", [f"{file}:1", "returns no table"]),
            ("wrong api", "return { api = 2, name = 'm' }\n", [f"{file}:1", "api"])):
        file.write_text(text)
        check(rig, f"policy: {name}", 2, words, "put", small, rig.url("p.bin"), env=env)
        check(rig, f"policy check: {name}", 2, words, "policy", "check", directory)
    file.write_text("return { api = 1, name = 'm', upload = function() return { skip = true, reason = 'not mine' } end }")
    rig.env.update(env)
    _, err = rig.run("put", small, rig.url("p.bin"))
    assert "skipped by policy" in err
    file.write_text("return { api = 1, name = 'm', upload = function(o) o.key = 'x' end }")
    _, err = rig.run("put", small, rig.url("p.bin"))
    assert "read-only" in err and "verified" in err, err
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  a policy that fails at run time is told and the default decides")


def s3(rig):
    small = rig.source("s.bin", 1000)
    big = rig.source("b.bin", 20 * MIB)
    check(rig, "wrong secret key", 4, ["SignatureDoesNotMatch", "secret"], "put", small, rig.url("x"),
          env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    check(rig, "unknown access key", 4, ["access key"], "put", big, rig.url("x"),
          env={"AWS_ACCESS_KEY_ID": "nobody"})
    none = {k: "" for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    check(rig, "no credentials", 4, ["no credentials", "AWS_ACCESS_KEY_ID"], "put", small, rig.url("x"),
          env={**none, "HOME": str(rig.dir)})
    check(rig, "bucket gone", 3, ["NoSuchBucket"], "put", small, "s3://nobucket/x")
    check(rig, "bucket gone, multipart", 3, ["NoSuchBucket"], "put", big, "s3://nobucket/x")
    assert rig.run("uploads", "--json")[0] == "", "a refused upload leaves no record"
    check(rig, "endpoint down", 5, ["127.0.0.1"], "put", small, rig.url("x"),
          env={"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}"})
    check(rig, "endpoint is no URL", 2, ["endpoint"], "put", small, rig.url("x"), env={"AWS_ENDPOINT_URL_S3": "here"})
    rig.run("put", "-q", small, rig.url("there"))
    check(rig, "create-only", 8, ["exist"], "put", "--create-only", small, rig.url("there"))
    create_only_in_parts(rig, big)


def create_only_in_parts(rig, big):
    """RGW ignores the condition of Complete: purser refuses, before it sends where it knows the server by then."""
    before = sha256(rig.stored("there"))
    expect, word = (2, "create-only") if rig.kind == "ceph" else (8, "exist")
    for name, source in (("create-only in parts", big), ("create-only of a stream", "-")):
        with open(big, "rb") as file:
            check(rig, name, expect, [word], "put", "--create-only", "--part-size", "5MiB", source, rig.url("there"),
                  stdin=file)
        for line in rig.run("uploads", "--json")[0].splitlines():
            rig.run("uploads", "-q", "abort", json.loads(line)["id"])
    assert sha256(rig.stored("there")) == before


def full_disk(rig):
    """A small tmpfs as the store, as the target and as the state; needs root."""
    if os.geteuid() != 0:
        print("--  full disk: needs root, left out")
        return
    mount = rig.dir / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(mount)], check=True)
    try:
        big = rig.source("full.bin", 40 * MIB)
        fits = rig.source("fits.bin", 17 * MIB)
        check(rig, "store full", 10, ["No space left"], "put", big, f"file://{mount}/x.bin")
        assert [p.name for p in mount.rglob("*") if p.is_file()] == []
        small = rig.source("full-small.bin", 15 * MIB)
        (mount / "filler").write_bytes(b"x" * 12 * MIB)
        check(rig, "store full, one PUT", 10, ["No space left"], "put", small, f"file://{mount}/x.bin")
        assert [p.name for p in mount.rglob("*") if p.is_file()] == ["filler"]
        rig.run("put", "-q", fits, rig.url("fits.bin"))
        check(rig, "target full", 10, ["No space left"], "get", rig.url("fits.bin"), mount / "y.bin")
        assert [p.name for p in mount.rglob("*") if p.is_file()] == ["filler"]
        (mount / "filler").write_bytes(b"x" * (24 * MIB - 8192))
        _, line = check(rig, "state full", 10, ["state"], "put", big, rig.url("z.bin"), "--state-dir", mount / "st")
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def pipes(rig):
    rig.run("put", "-q", rig.source("pipe.bin", 4 * MIB), rig.url("pipe.bin"))
    process = rig.start("cat", rig.url("pipe.bin"))
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait() == 10 and "Broken pipe" in err, (process.returncode, err)
    print("ok  exit 10  closed pipe:", err.strip())


def main():
    with Rig(sys.argv[1]) as rig:
        rig.run("put", "-q", __file__, rig.url("there"))
        assert sha256(__file__) == sha256(rig.stored("there"))
        usage(rig)
        sources(rig)
        settings(rig)
        policies(rig)
        pipes(rig)
        if rig.kind != "file":
            s3(rig)
        full_disk(rig)
        assert rig.uploads_left() == []


main()
