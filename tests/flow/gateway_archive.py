#!/usr/bin/env python3
"""A prefix as an archive through the gateway, and members of stored archives. Usage: gateway_archive.py file|versitygw"""
import gzip
import http.client
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import zipfile

from agent_rig import Agent
from rig import LONG, MIB, Rig

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


def gone_reader(rig):
    """Readers that go in mid-stream leave nothing behind, and one that takes nothing holds little."""
    with Agent(rig) as agent:
        for form in ("tar", "tar.gz", "zip"):
            with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock:
                sock.sendall(f"GET /a/main/run/?archive={form} HTTP/1.1\r\nHost: x\r\n{agent.bearer}\r\n".encode())
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        for _ in range(200):
            metrics = agent.get("/metrics", token=None)[2].decode()
            if "purser_gateway_reserved_bytes 0\n" in metrics:
                break
        else:
            raise AssertionError(metrics)
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


def main():
    with Rig(sys.argv[1]) as rig:
        files = tree(rig)
        with Agent(rig) as agent:
            formats(rig, agent, files)
            refusals(rig, agent)
        gone_reader(rig)
        hook(rig)
        if rig.kind != "file":  # whose changed file has other times, so that its checksum counts no more
            broken_in_mid_stream(rig)


main()
