#!/usr/bin/env python3
"""A prefix as an archive through the gateway, and members of stored archives. Usage: gateway_archive.py file|versitygw"""
import gzip
import http.client
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tarfile
import urllib.parse
import zipfile

from agent_rig import Agent
from rig import LONG, MIB, Rig

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from archive_judge import Pipe  # noqa: E402

MANY = 2000 if LONG else 320


def tree(rig):
    """Objects of all sorts below run/; returns {name: bytes}."""
    folder = rig.dir / "tree"
    files = {"a.txt": b"a text\n", "big.bin": os.urandom(3 * MIB + 17), "empty": b"", "zeros": bytes(5 * MIB),
             "dir/sub/\u00e9\u20ac.html": b"<p>", "dir/with blank & more": b"x" * 70000}
    for i in range(MANY):
        files[f"many/{i:05}"] = b"%d" % i
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    rig.run("put", "-q", "--archive", "none", folder, rig.url("run/"))
    return files


def tar_files(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        assert all(m.mode == 0o644 and m.uid == 0 and m.mtime > 1e9 for m in members if m.isfile()), members[0].get_info()
        return [m.name for m in members if m.isfile()], {m.name: tar.extractfile(m).read() for m in members if m.isfile()}


def zip_files(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = [i.filename for i in archive.infolist() if not i.is_dir()]
        return names, {name: archive.read(name) for name in names}


def formats(rig, agent, files):
    for form, kind, read in (("tar", "application/x-tar", tar_files), ("zip", "application/zip", zip_files),
                             ("tar.gz", "application/gzip", lambda data: tar_files(gzip.decompress(data)))):
        path = f"/a/main/run/?archive={form}"
        status, headers, data = agent.get(path)
        assert status == 200 and headers["Content-Type"] == kind and headers["Transfer-Encoding"] == "chunked", headers
        assert headers["Content-Disposition"] == f'attachment; filename="run.{form}"', headers["Content-Disposition"]
        names, got = read(data)
        assert got == files, f"{form}: {set(got) ^ set(files)}"
        assert names == sorted(files, key=lambda name: name.encode()), form
        assert agent.get(path)[2] == data, f"{form}: not the same bytes twice"
        status, headers, body = agent.get(path, method="HEAD")
        assert (status, headers["Content-Type"], body) == (200, kind, b"")
        file = rig.dir / f"run.{form}"
        file.write_bytes(data)
        if form != "zip":  # GNU tar is of another opinion than Python's where one is wrong
            subprocess.run(["tar", "-tf", file], check=True, capture_output=True)
        print(f"{form}: {len(files)} objects in {len(data)} bytes, the same twice")
    status, _, data = agent.get("/a/main/run/dir/?archive=tar")
    assert status == 200 and sorted(tar_files(data)[0]) == ["sub/\u00e9\u20ac.html", "with blank & more"]


def refusals(rig, agent):
    for path, status, words in (("/a/main/run/?archive=rar", 400, "tar, tar.gz or zip"),
                                ("/a/main/nothing/?archive=tar", 404, "not found")):
        got = agent.get(path)
        assert got[0] == status and words in got[2].decode(), got
    assert agent.get("/a/main/run/?archive=tar", token=None)[0] == 401
    with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock:
        sock.sendall(f"GET /a/main/run/?archive=tar HTTP/1.0\r\n{agent.bearer}\r\n".encode())
        assert b" 505 " in sock.recv(100), "HTTP/1.0 cannot tell an end from a cut"
    print("refusals: unknown form, nothing there, no token, HTTP/1.0")


def broken_in_mid_stream(rig):
    """An object with a flipped byte: the connection is cut without the last chunk."""
    path = rig.stored("run/zeros")
    with open(path, "r+b") as file:
        file.seek(4 * MIB)
        file.write(b"\x01")
    with Agent(rig) as agent:
        for form in ("tar", "tar.gz", "zip"):
            try:
                _, _, data = agent.get(f"/a/main/run/?archive={form}")
                raise AssertionError(f"{form} of {len(data)} bytes looks whole")
            except http.client.IncompleteRead:
                pass
        assert re.search(r"main/run/: archive cut after \d+ bytes: zeros: .* crc64nvme", agent.log()), agent.log()
        metrics = agent.get("/metrics", token=None)[2].decode()
        assert "purser_gateway_corrupt_total 3\n" in metrics and "purser_gateway_streams 0\n" in metrics, metrics
        assert "purser_gateway_reserved_bytes 0\n" in metrics
    print("a flipped byte in an object: cut, logged, and the memory is back")


def expect_memory_back(agent):
    """Soon: the server learns that a reader went when it next writes or polls."""
    for _ in range(200):
        metrics = agent.get("/metrics", token=None)[2].decode()
        if "purser_gateway_reserved_bytes 0\n" in metrics:
            return
    raise AssertionError(metrics)


def gone_reader(rig):
    """Readers that go in mid-stream leave nothing behind, and one that takes nothing holds little."""
    with Agent(rig) as agent:
        for form in ("tar", "tar.gz", "zip"):
            with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock:
                sock.sendall(f"GET /a/main/run/?archive={form} HTTP/1.1\r\nHost: x\r\n{agent.bearer}\r\n".encode())
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        expect_memory_back(agent)
    print("readers that go: nothing is left")


HOOK = """-- test
local function download(request, now)
  if request.key == 'run/dir/with blank & more' then
    return { action = 'deny', reason = 'not this one' }
  end
end
return { api = 1, name = 'some', download = download }
"""


def hook(rig):
    """What a policy denies is not slipped into an archive, nor left out as if it were not there."""
    folder = rig.dir / "hook"
    folder.mkdir()
    (folder / "60-some.lua").write_text(HOOK)
    with Agent(rig, flags=("--policy-path", str(folder))) as agent:
        status, _, body = agent.get("/a/main/run/?archive=tar")
        assert status == 403 and b"not this one" in body, (status, body)
        assert agent.get("/a/main/run/many/?archive=tar")[0] == 200
    print("download hook: asked of every object of an archive")


def add_tar(tar, name, data, **more):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), 1700000000
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def put(rig, name, data):
    path = rig.dir / name
    path.write_bytes(data)
    rig.run("put", "-q", path, rig.url(f"packed/{name}"))


def packed(rig):
    """Archives of all sorts below packed/; returns {name: bytes} of the files in each."""
    files = {"a.txt": b"a text\n", "big.bin": os.urandom(2 * MIB + 17), "dir/\u00e9 <b>&.html": b"<p>", "empty": b"",
             "zeros": bytes(5 * MIB), "last": b"the last one"}
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for name, data in files.items():
            add_tar(out, "./" + name, data)
        add_tar(out, "link", b"", type=tarfile.SYMTYPE, linkname="../../etc/passwd")
        add_tar(out, "hard", b"", type=tarfile.LNKTYPE, linkname="./a.txt")
        add_tar(out, "fifo", b"", type=tarfile.FIFOTYPE)
    put(rig, "x.tar", tar.getvalue())
    put(rig, "x.tar.gz", gzip.compress(tar.getvalue()))
    put(rig, "x.tar.zst", subprocess.run(["zstd", "-q"], input=tar.getvalue(), capture_output=True, check=True).stdout)
    stream, plain = Pipe(), io.BytesIO()
    for into, name in ((stream, "stream.zip"), (plain, "x.zip")):
        with zipfile.ZipFile(into, "w") as out:
            for i, (member, data) in enumerate(files.items()):
                out.writestr(member, data, zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
        put(rig, name, stream.data if into is stream else plain.getvalue())
    sparse = rig.dir / "sparse"
    with open(sparse, "wb") as file:
        file.seek(3 * MIB)
        file.write(b"end")
        file.truncate(4 * MIB)
    subprocess.run(["tar", "-C", rig.dir, "-Scf", rig.dir / "sparse.tar", "sparse"], check=True)
    put(rig, "sparse.tar", (rig.dir / "sparse.tar").read_bytes())
    put(rig, "no.zip", b"no archive at all, but long enough to be looked at" * 100)
    put(rig, "cut.tar.gz", gzip.compress(tar.getvalue())[:MIB])
    put(rig, "cut.zip", plain.getvalue()[:-100])
    put(rig, "none.zip", b"PK\5\6" + bytes(18))
    return files


def members(rig, agent, files):
    for name in ("x.tar", "x.tar.gz", "x.tar.zst", "x.zip", "stream.zip"):
        path = f"/a/main/packed/{name}"
        status, headers, body = agent.get(path + "?members&format=json")
        assert status == 200 and headers["Content-Type"] == "application/json", (status, body)
        listed = json.loads(body)
        assert {m["name"]: m["size_bytes"] for m in listed["members"] if m["kind"] == "file"} == {
            name: len(data) for name, data in files.items()}, listed
        for member, data in files.items():
            status, headers, body = agent.get(f"{path}?member={urllib.parse.quote(member)}")
            assert status == 200 and body == data, (name, member, status, len(body))
            assert headers["Content-Length"] == str(len(data)) and "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Disposition"] == 'inline; filename="last"'
        status, headers, body = agent.get(f"{path}?member=big.bin&download", method="HEAD")
        assert (status, headers["Content-Length"], body) == (200, str(len(files["big.bin"])), b"")
        assert headers["Content-Disposition"] == 'attachment; filename="big.bin"'
        page = agent.get(path + "?members")[2].decode()
        assert "&lt;b&gt;&amp;" in page and "<b>" not in page and "script" not in page, page
        for link in re.findall(r'href="(\?member=[^"]*)"', page):
            assert agent.get(path + link)[0] == 200, link
        status, _, body = agent.get(path + "?member=nothing")
        assert status == 404 and b"is not in it" in body, (status, body)
    for member, words in (("link", b"a link to ../../etc/passwd"), ("hard", b"a link to"), ("fifo", b"no file")):
        status, _, body = agent.get(f"/a/main/packed/x.tar.gz?member={member}")
        assert status == 404 and words in body, (member, status, body)
    assert agent.get("/a/main/packed/sparse.tar?member=sparse")[2] == bytes(3 * MIB) + b"end" + bytes(MIB - 3)
    assert agent.get("/a/main/packed/x.zip?members", token=None)[0] == 401
    assert json.loads(agent.get("/a/main/packed/none.zip?members&format=json")[2])["members"] == []
    for name in ("no.zip", "cut.zip"):
        status, _, body = agent.get(f"/a/main/packed/{name}?members")
        assert status == 422, (name, status, body)
    for query in ("members", "member=last"):
        try:
            status, _, body = agent.get(f"/a/main/packed/cut.tar.gz?{query}")
            assert status == 422, (query, status, body)
        except http.client.IncompleteRead:
            assert query == "members"
    assert '?members">contents</a>' in agent.get("/a/main/packed/")[2].decode()
    print(f"members: of tar, tar.gz, tar.zst, zip and a streamed zip; sparse, links, broken ones")


def received(agent):
    return int(re.search(r"purser_gateway_store_received_bytes_total (\d+)", agent.get("/metrics", token=None)[2].decode())[1])


def ranges_and_bombs(rig):
    """A small member of a large zip costs little; what grows without end is stopped."""
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w") as out:
        for i in range(12):
            out.writestr(f"{i}", os.urandom(4 * MIB) if i % 2 else b"small")
    put(rig, "large.zip", large.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        out.writestr("bomb", bytes(300 * MIB))
    put(rig, "bomb.zip", bomb.getvalue())
    put(rig, "bomb.tar.gz", subprocess.run(
        "cd %s && truncate -s 300M zeros && tar -cf - zeros | gzip -9 && rm zeros" % rig.dir, shell=True,
        capture_output=True, check=True).stdout)
    with Agent(rig) as agent:
        before = received(agent)
        assert agent.get("/a/main/packed/large.zip?member=10")[2] == b"small"
        cost = received(agent) - before
        assert cost < 4 * MIB, f"{cost} bytes were fetched for 5"
        for name, query in (("bomb.zip", "member=bomb"), ("bomb.tar.gz", "member=zeros"), ("bomb.tar.gz", "members"),
                            ("bomb.tar.gz", "member=none")):
            try:
                status, _, body = agent.get(f"/a/main/packed/{name}?{query}")
                assert status == 422 and b"grows more than 200 times" in body, (name, query, status, len(body))
            except http.client.IncompleteRead as got:
                assert len(got.partial) < 300 * MIB and query != "member=none"
    with Agent(rig, top="extract: { entry_limit: 3 }\n") as agent:
        status, _, body = agent.get("/a/main/packed/large.zip?member=10")
        assert status == 422 and b"more than 3 members" in body, (status, body)
    print(f"a member of {len(large.getvalue()) // MIB} MiB of zip: {cost // 1024} KiB fetched; bombs are stopped")


def gone_members(rig):
    """Readers of members that go in mid-stream leave nothing behind, also when the agent ends at once."""
    with Agent(rig) as agent:
        for query in ("x.tar.gz?member=zeros", "x.zip?member=zeros", "x.tar?members"):
            with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock:
                sock.sendall(f"GET /a/main/packed/{query} HTTP/1.1\r\nHost: x\r\n{agent.bearer}\r\n".encode())
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        expect_memory_back(agent)
        sock = socket.create_connection(("127.0.0.1", agent.port), timeout=20)
        sock.sendall(f"GET /a/main/packed/x.tar.gz?member=zeros HTTP/1.1\r\nHost: x\r\n{agent.bearer}\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        sock.close()
    print("readers of members that go: nothing is left")


def main():
    with Rig(sys.argv[1]) as rig:
        files = tree(rig)
        with Agent(rig) as agent:
            formats(rig, agent, files)
            refusals(rig, agent)
            members(rig, agent, packed(rig))
        ranges_and_bombs(rig)
        gone_members(rig)
        gone_reader(rig)
        hook(rig)
        if rig.kind != "file":  # whose changed file has other times, so that its checksum counts no more
            broken_in_mid_stream(rig)


main()
