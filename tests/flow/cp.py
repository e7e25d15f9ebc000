"""purser cp and share against a real store: within it, across stores, interrupted, and what is refused.

cp.py file|versitygw|minio|ceph|oss
"""
import hashlib
import http.client
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from rig import MIB, Rig

OPTIONS = ("--meta", "k=v", "--tag", "t=1", "--content-type", "text/x")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetched(rig, key):
    path = rig.dir / "fetched"
    path.unlink(missing_ok=True)
    rig.run("get", "-q", rig.url(key), path)
    return sha256(path)


def check_stat(rig, key, size):
    out, _ = rig.run("stat", rig.url(key))
    assert f"{size} bytes" in out and "k=v" in out and "text/x" in out, out


def within_the_store(rig, source):
    rig.run("put", "-q", source, rig.url("d/a b+%.bin"), *OPTIONS)
    result = rig.result("cp", rig.url("d/a b+%.bin"), rig.url("c/"))
    assert result["way"] == "store" and result["parts"] == 0, result
    assert result["verified"] == rig.keeps_checksums, result
    assert fetched(rig, "c/a b+%.bin") == sha256(source)
    check_stat(rig, "c/a b+%.bin", source.stat().st_size)
    print("within the store: one request, verified, with type and metadata")


def in_parts(rig, source):
    if rig.kind == "file":
        return
    key = "d/a b+%.bin"
    if rig.kind == "ceph":
        # 16.2.15 decodes the key twice: of %41 it copies A, and where no hex digits follow the server aborts.
        result = rig.result("cp", rig.url(key), rig.url("parts.bin"), "--threshold", "1MiB")
        assert result["way"] == "stream" and fetched(rig, "parts.bin") == sha256(source), result
        assert rig.uploads_left() == []
        key = "d/a b+.bin"
        rig.run("put", "-q", source, rig.url(key), *OPTIONS)
    result = rig.result("cp", rig.url(key), rig.url("parts.bin"), "--threshold", "1MiB", "--part-size", "5MiB")
    assert result["way"] == "store" and result["parts"] == -(-source.stat().st_size // (5 * MIB)), result
    assert fetched(rig, "parts.bin") == sha256(source)
    check_stat(rig, "parts.bin", source.stat().st_size)
    assert rig.uploads_left() == []
    print(f"in parts: {result['parts']} parts copied by the store, verified: {result['verified']}")


def interrupted(rig):
    """Killed when the store has copied some parts: the next run does not copy them again."""
    if rig.kind != "versitygw":
        return
    size = 150 * MIB
    source = rig.source("big.bin", size)
    rig.run("put", "-q", source, rig.url("big.bin"))
    command = ("cp", rig.url("big.bin"), rig.url("copy.bin"), "--threshold", "1MiB", "--part-size", "5MiB",
               "--concurrency", "2")
    process = rig.start(*command)
    until = time.monotonic() + 30
    while len(re.findall(r"PUT \| /bkt/copy.bin \| - \| partNumber", rig.log.read_text(errors="replace"))) < 5:
        assert time.monotonic() < until and process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    out, _ = rig.run("uploads")
    assert "copy.bin" in out, out
    result = rig.result(*command)
    assert result["resumed_parts"] >= 1, result
    assert fetched(rig, "copy.bin") == sha256(source)
    assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""
    print(f"killed: {result['resumed_parts']} of {result['parts']} parts were not copied again")


def across_stores(rig, source):
    there = f"file://{rig.dir}/other/x.bin"
    result = rig.result("cp", rig.url("d/a b+%.bin"), there)
    assert result["way"] == ("store" if rig.kind == "file" else "stream"), result
    assert result["verified"] == rig.keeps_checksums, result
    assert sha256(rig.dir / "other" / "x.bin") == sha256(source)
    result = rig.result("cp", there, rig.url("back.bin"))
    assert result["verified"] == rig.keeps_checksums, result
    assert fetched(rig, "back.bin") == sha256(source)
    check_stat(rig, "back.bin", source.stat().st_size)
    print("across stores: to a directory and back, verified, with type and metadata")


def empty_and_small(rig):
    for size in (0, 1):
        source = rig.source(f"s{size}", size)
        rig.run("put", "-q", source, rig.url(f"s{size}"))
        rig.run("cp", "-q", rig.url(f"s{size}"), f"file://{rig.dir}/other/s{size}")
        rig.run("cp", "-q", f"file://{rig.dir}/other/s{size}", rig.url(f"t{size}"))
        assert fetched(rig, f"t{size}") == sha256(source)
    print("empty and single bytes: as they were")


def skipped_by_policy(rig):
    """The reader goes at once: the writer, which has more than a pipe holds, must not wait for it."""
    policies = rig.dir / "policies"
    policies.mkdir()
    (policies / "50-skip.lua").write_text(
        "local function upload(object, now) return { skip = true, reason = 'test' } end\n"
        "return { api = 1, name = 'skip', upload = upload }\n")
    result = rig.result("cp", rig.url("d/a b+%.bin"), f"file://{rig.dir}/other/skipped", "--policy-path", policies,
                        timeout=60)
    # Within a store nothing is uploaded, so no policy of uploads is asked.
    assert result["skipped"] == (rig.kind != "file"), result
    assert (rig.dir / "other" / "skipped").exists() == (rig.kind == "file")
    print("skipped by a policy: nothing is written, nothing waits")


def refused(rig):
    def fails(expect, text, *args, **kwargs):
        _, err = rig.run(*args, expect=expect, **kwargs)
        assert text in err and len(err.splitlines()) == 1, (args, err)

    fails(3, "not found", "cp", rig.url("nothing"), rig.url("x"))
    fails(3, "not found", "cp", f"file://{rig.dir}/nothing", rig.url("x"))
    fails(3, "not found", "cp", rig.url("nothing"), f"file://{rig.dir}/x")
    fails(2, "names no object", "cp", rig.url(""), rig.url("x"))
    fails(2, "are the same", "cp", rig.url("back.bin"), rig.url("back.bin"))
    fails(8, "exists already", "cp", "--create-only", rig.url("back.bin"), rig.url("t1"))
    fails(8, "exists already", "cp", "--create-only", f"file://{rig.dir}/other/x.bin", rig.url("t1"))
    if rig.kind != "ceph":  # which cannot do it in parts, and says so
        in_parts = ("--create-only", "--threshold", "1MiB", "--part-size", "5MiB", rig.url("t1"))
        fails(8, "exists already", "cp", f"file://{rig.dir}/other/x.bin", *in_parts)
        fails(8, "exists already", "cp", rig.url("back.bin"), *in_parts)
        with open(rig.dir / "other" / "x.bin", "rb") as file:
            fails(8, "exists already", "put", "-", *in_parts, stdin=file)
        assert rig.uploads_left() == []
    fails(2, "--expires 8d", "share", rig.url("back.bin"), "--expires", "8d")
    fails(2, "--expires soon", "share", rig.url("back.bin"), "--expires", "soon")
    fails(2, "names no object", "share", rig.url(""))
    print("refused: with one line and the right exit code")


def damaged(rig, source):
    """What the source's own checksum does not confirm never becomes an object."""
    if rig.kind != "file":
        return
    rig.run("put", "-q", source, rig.url("rot.bin"))
    path = rig.stored("rot.bin")
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with open(path, "r+b") as file:
        file.write(data)
    import os
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    _, err = rig.run("cp", rig.url("rot.bin"), rig.url("rot2.bin"), expect=9)
    assert not rig.stored("rot2.bin").exists(), err
    print("a source that rotted: refused, no object")


def shared(rig, source):
    if rig.kind == "file":
        _, err = rig.run("share", rig.url("back.bin"), expect=2)
        assert "no URL to share" in err, err
        return
    out, err = rig.run("share", rig.url("d/a b+%.bin"), "--expires", "15m", "-v", "--log-level", "debug")
    url = out.strip()
    assert "signature=" in url.lower() and "signature" not in err.lower(), err
    assert hashlib.sha256(urllib.request.urlopen(url).read()).hexdigest() == sha256(source)
    try:
        urllib.request.urlopen(re.sub("(?i)(expires)=900", r"\1=901", url))
        raise AssertionError("a URL that was changed still opens")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
    rig.run("share", rig.url("nothing"), expect=3)
    print("share: opens without credentials, not when changed, and is in no log line")


def put_by(url, data, headers=()):
    """The status of a PUT with no header but those: urllib would add a Content-Type."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("PUT", f"{parts.path}?{parts.query}", data, dict(headers))
    status = connection.getresponse().status
    connection.close()
    return status


def shared_to_put(rig):
    if rig.kind == "file":
        return
    source = rig.source("small.bin", 4321)
    data = source.read_bytes()
    url = rig.run("share", rig.url("new/a b+%.bin"), "--method", "PUT", "--expires", "15m")[0].strip()
    assert put_by(url, data) == 200 and fetched(rig, "new/a b+%.bin") == sha256(source)
    assert put_by(url.replace("new/a", "new/b"), data) == 403, "it puts what it does not name"
    try:
        urllib.request.urlopen(url)
        raise AssertionError("a URL to put reads")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
    read = rig.run("share", rig.url("new/a b+%.bin"))[0].strip()
    assert put_by(read, b"other") == 403 and fetched(rig, "new/a b+%.bin") == sha256(source)
    url = rig.result("share", rig.url("typed"), "--method", "put", "--content-type", "text/x")
    assert url["method"] == "PUT" and put_by(url["share_url"], data, {"Content-Type": "text/y"}.items()) == 403, url
    assert put_by(url["share_url"], data, {"Content-Type": "text/x"}.items()) == 200, url
    assert "text/x" in rig.run("stat", rig.url("typed"))[0]
    for args in (("--method", "DELETE"), ("--content-type", "x/y"), ("--via", "gateway", "--method", "PUT")):
        rig.run("share", rig.url("typed"), *args, expect=2)
    print("share --method PUT: puts what it names and nothing else, and does not read")


def main():
    with Rig(sys.argv[1]) as rig:
        source = rig.source("a.bin", 12 * MIB + 1)
        within_the_store(rig, source)
        in_parts(rig, source)
        across_stores(rig, source)
        empty_and_small(rig)
        skipped_by_policy(rig)
        refused(rig)
        damaged(rig, source)
        shared(rig, source)
        shared_to_put(rig)
        interrupted(rig)


main()
