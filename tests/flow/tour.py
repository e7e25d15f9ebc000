#!/usr/bin/env python3
"""Every command once, as the README's tour has them. Usage: tour.py file|versitygw|minio|ceph"""
import json
import sys

from rig import MIB, Rig


def doctor(rig):
    for key in ("a/1", "a/2", "b/1", "c"):
        rig.run("put", "-q", __file__, rig.url(key))
    out, _ = rig.run("doctor", rig.url(""))
    checks = [line.split()[:2] for line in out.splitlines()]
    assert [name for name, _ in checks] == ["state", "credentials", "list", "clock", "write", "checksum", "multipart",
                                            "delete"], out
    assert all(word == "ok" for _, word in checks), out
    left = rig.run("ls", "-r", rig.url(""))[0]
    assert "doctor" not in left, left
    print("doctor: every check passes on a store with more than a page of objects, and nothing is left behind")


def help_fits(rig):
    topics = [line.split()[0] for line in rig.run("help")[0].splitlines() if line.startswith("  ") and line[2] != " "]
    assert "put" in topics and "agent" in topics, topics
    for topic in ("", "flags", "settings", "exit-codes", *topics):
        for line in rig.run("help", *filter(None, [topic]))[0].splitlines():
            assert len(line) <= 80, f"help {topic}: {len(line)} columns: {line}"
    print(f"help: {len(topics) + 4} pages in 80 columns")


def tour(rig):
    data = rig.source("model.bin", 20 * MIB + 1)
    result = rig.result("put", data, rig.url("run-7/model.bin"), "--meta", "author=ada", "--storage-class", "STANDARD")
    assert result["type"] == "result" and result["parts"] == 2 and result["size_bytes"] == data.stat().st_size, result
    stat = json.loads(rig.run("stat", "--json", rig.url("run-7/model.bin"))[0])
    assert stat["checksum"] == (result["checksum"] if rig.keeps_checksums else ""), stat
    assert stat["size_bytes"] == data.stat().st_size, stat
    text, _ = rig.run("stat", rig.url("run-7/model.bin"))
    assert "ada" in text, text
    piped = rig.run("put", "-q", "-", rig.url("run-7/small"), input=b"hello")
    assert piped[0] == "", piped
    assert rig.run("cat", rig.url("run-7/small"))[0] == "hello"
    assert rig.run("get", "-q", rig.url("run-7/small"), "-")[0] == "hello"
    rig.run("get", "-q", rig.url("run-7/model.bin"), rig.dir / "back")
    assert (rig.dir / "back").read_bytes() == data.read_bytes()
    keys = [line.split()[-1] for line in rig.run("ls", "-r", rig.url("run-7/"))[0].splitlines()]
    assert [key.rsplit("/", 1)[-1] for key in keys] == ["model.bin", "small"], keys
    assert rig.run("uploads") == ("", "no interrupted uploads\n"), rig.run("uploads")
    rig.run("rm", "-q", rig.url("run-7/small"))
    rig.run("stat", rig.url("run-7/small"), expect=3)
    rig.run("rm", "-q", "-r", rig.url("run-7/"))
    rig.run("ls", "-r", rig.url("run-7/"), expect=3)
    print("tour: put, stat, cat, get, ls, uploads, rm")


def main():
    with Rig(sys.argv[1]) as rig:
        help_fits(rig)
        tour(rig)
        doctor(rig)


main()
