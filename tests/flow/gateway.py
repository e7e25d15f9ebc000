#!/usr/bin/env python3
"""The gateway as users and attackers see it. Usage: gateway.py file|versitygw|minio"""
import base64
import hashlib
import http.client
import json
import re
import socket
import sys
import time

from agent_rig import Agent, TOKEN
from rig import MIB, Rig, sha256


def raw(port, data, timeout=20):
    """Send bytes as they are; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = b""
        try:
            while more := sock.recv(65536):
                got += more
        except ConnectionResetError:
            pass
        return got


def objects(rig, agent):
    big = rig.source("big.bin", 24 * MIB + 13)
    rig.run("put", "-q", "--part-size", "5MiB", big, rig.url("dir/big.bin"))
    status, headers, body = agent.get("/a/main/dir/big.bin")
    assert status == 200 and hashlib.sha256(body).hexdigest() == sha256(big)
    assert headers["Content-Length"] == str(len(body)) and headers["Accept-Ranges"] == "bytes", headers
    etag, modified = headers["ETag"], headers["Last-Modified"]
    assert headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in headers["Content-Security-Policy"]
    assert headers["Content-Disposition"] == 'inline; filename="big.bin"', headers
    data = big.read_bytes()

    status, headers, body = agent.get("/a/main/dir/big.bin", method="HEAD")
    assert (status, body, headers["Content-Length"], headers["ETag"]) == (200, b"", str(len(data)), etag)

    for text, first, end in (("bytes=0-0", 0, 1), ("bytes=5000000-6000000", 5000000, 6000001),
                             ("bytes=-7", len(data) - 7, len(data)), (f"bytes={len(data) - 5}-", len(data) - 5, len(data))):
        status, headers, body = agent.get("/a/main/dir/big.bin", {"Range": text})
        assert status == 206 and body == data[first:end], (text, status, len(body))
        assert headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(data)}", headers
    status, headers, body = agent.get("/a/main/dir/big.bin", {"Range": "bytes=0-9,1000000-1000009,-3"})
    assert status == 206 and int(headers["Content-Length"]) == len(body)
    boundary = re.match(r"multipart/byteranges; boundary=(\S+)", headers["Content-Type"])[1].encode()
    parts = body.split(b"\r\n--" + boundary)
    assert parts[0] == b"" and parts[-1] == b"--\r\n" and len(parts) == 5, parts
    for part, (first, end) in zip(parts[1:-1], ((0, 10), (1000000, 1000010), (len(data) - 3, len(data)))):
        head, content = part.split(b"\r\n\r\n", 1)
        assert content == data[first:end] and f"bytes {first}-{end - 1}/{len(data)}".encode() in head
    status, headers, _ = agent.get("/a/main/dir/big.bin", {"Range": f"bytes={len(data)}-"})
    assert status == 416 and headers["Content-Range"] == f"bytes */{len(data)}"

    assert agent.get("/a/main/dir/big.bin", {"If-None-Match": etag})[0] == 304
    assert agent.get("/a/main/dir/big.bin", {"If-None-Match": '"other"'}, method="HEAD")[0] == 200
    assert agent.get("/a/main/dir/big.bin", {"If-Modified-Since": modified})[0] == 304
    assert agent.get("/a/main/dir/big.bin", {"If-Match": '"other"'})[0] == 412
    status, _, body = agent.get("/a/main/dir/big.bin", {"Range": "bytes=0-9", "If-Range": etag})
    assert status == 206 and body == data[:10]
    status, _, body = agent.get("/a/main/dir/big.bin", {"Range": "bytes=0-9", "If-Range": '"other"'})
    assert status == 200 and len(body) == len(data)
    assert "main/dir/none: not found" in agent.get("/a/main/dir/none")[2].decode()
    assert agent.get("/a/main/dir/none")[0] == 404 and agent.get("/a/other/x")[0] == 404
    print(f"objects: {len(data)} bytes whole, by ranges, by conditions")


def odd_keys(rig, agent):
    small = rig.dir / "small"
    small.write_bytes(b"some bytes")
    empty = rig.dir / "empty"
    empty.write_bytes(b"")
    for key, path in (("a b+c%25.txt", "a%20b+c%2525.txt"), ("\u00e9\u20ac.html", "%C3%A9%E2%82%AC.html"),
                      ("x?y&z=1", "x%3Fy%26z=1"), ('q"uote', "q%22uote")):
        rig.run("put", "-q", small, rig.url(key))
        status, headers, body = agent.get("/a/main/" + path)
        assert status == 200 and body == b"some bytes", (key, status, body)
        if key.endswith(".html"):
            assert headers["Content-Type"] == "text/html; charset=utf-8", headers["Content-Type"]
            assert "filename*=UTF-8''%C3%A9%E2%82%AC.html" in headers["Content-Disposition"]
    rig.run("put", "-q", empty, rig.url("empty"))
    for method in ("GET", "HEAD"):
        status, headers, body = agent.get("/a/main/empty", method=method)
        assert (status, body, headers["Content-Length"]) == (200, b"", "0")
    status, headers, _ = agent.get("/a/main/empty?download")
    assert headers["Content-Disposition"].startswith("attachment")
    print("odd keys: blanks, percent signs, UTF-8, quotes, nothing at all")


def access(rig, agent):
    rig.run("put", "-q", rig.dir / "small", rig.url("open/x"))
    assert agent.get("/a/main/open/x", token=None)[0] == 200
    status, headers, _ = agent.get("/a/main/dir/big.bin", token=None)
    assert status == 401 and len(headers.get_all("WWW-Authenticate")) == 2
    assert agent.get("/a/main/dir/big.bin", token=TOKEN + "x")[0] == 401
    assert agent.get("/a/nowhere/x", token=None)[0] == 401, "whether a store exists is told to who may read"
    assert agent.get("/a/main/open/../dir/big.bin", token=None)[0] == 400
    assert agent.get("/a/main/open/%2e%2e/dir/big.bin", token=None)[0] == 400
    assert agent.get("/a/main/dir/big.bin", token="a-scoped-token-of-some-length")[0] == 403
    assert agent.get("/a/main/open/x", token="a-scoped-token-of-some-length")[0] == 200
    assert TOKEN not in agent.log()
    print("access: tokens, scopes, open prefixes; nothing without a rule")


def attacks(agent):
    """What is refused, byte for byte; the server answers others all the while."""
    auth = f"Authorization: Bearer {TOKEN}\r\n".encode()
    ok = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for name, data, status in (
            ("traversal", b"GET /a/main/../../etc/passwd HTTP/1.1\r\nHost: x\r\n" + auth + b"\r\n", b"400"),
            ("NUL", b"GET /a/main/x%00 HTTP/1.1\r\nHost: x\r\n" + auth + b"\r\n", b"400"),
            ("header injection", b"GET /a/main/x%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: x\r\n" + auth + b"\r\n", b"400"),
            ("TE", b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok, b"400"),
            ("CL and TE", b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"0\r\n\r\n" + ok, b"400"),
            ("two CL", b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello" + ok, b"400"),
            ("CL list", b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n" + ok, b"400"),
            ("CL +0", b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + ok, b"400"),
            ("body of GET", b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(ok) + ok, b"400"),
            ("CL and blank", b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello" + ok, b"400"),
            ("bare CR", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 5\r\n\r\nhello" + ok, b"400"),
            ("two hosts", b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + ok, b"400"),
            ("no host", b"GET /healthz HTTP/1.1\r\n\r\n" + ok, b"400"),
            ("HTTP/2.0", b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n" + ok, b"505"),
            ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" + ok, b""),
            ("huge header", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n", b"431"),
            ("many headers", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20000 + b"\r\n", b"431"),
            ("huge target", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414")):
        answer = raw(agent.port, data)
        statuses = re.findall(rb"HTTP/1\.[01] (\d\d\d)", answer)
        # libmicrohttpd sends the head of some refusals twice; what must not be is an answer to what was hidden behind.
        assert len(set(statuses)) <= 1, f"{name}: a second request was seen: {statuses}"
        assert b"Set-Cookie" not in answer and b"root:" not in answer, name
        assert (set(statuses) == {status}) if status else b"200" not in statuses, (name, statuses, answer[:300])
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        status = agent.get("/a/main/open/x", method=method)[0]
        assert status == 405, (method, status)
    assert agent.get("/healthz", token=None)[0] == 200
    print("attacks: traversal, injection, smuggling, sizes refused; one answer each")


def keep_alive(agent):
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=30)
    for _ in range(50):
        for path in ("/a/main/empty", "/a/main/open/x", "/a/main/none", "/healthz"):
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 404)
    connection.close()
    two = f"GET /a/main/open/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    answer = raw(agent.port, two + b"\r\n" + two + b"Connection: close\r\n\r\n")
    assert answer.count(b"some bytes") == 2, answer
    print("keep-alive: 200 requests on a connection; pipelining")


def listing(rig, agent):
    for name in ("one", "two & <b>", "sub/three", "\u00e9"):
        rig.run("put", "-q", rig.dir / "small", rig.url(f"list/{name}"))
    status, headers, body = agent.get("/a/main/list/")
    page = body.decode()
    assert status == 200 and headers["Content-Type"].startswith("text/html"), (status, page)
    assert "script" not in page and "two &amp; &lt;b&gt;" in page and "<b>" not in page, page
    for link in re.findall(r'href="\./([^"]*)"', page):
        assert agent.get(f"/a/main/list/{link}")[0] == 200, link
    assert 'href="./sub/"' in page and "default-src 'none'" in headers["Content-Security-Policy"]
    entries = json.loads(agent.get("/a/main/list/?format=json")[2])["entries"]
    assert [(e["name"], e["directory"]) for e in entries] == [
        ("one", False), ("sub/", True), ("two & <b>", False), ("\u00e9", False)], entries
    assert entries[0]["size_bytes"] == 10
    later = json.loads(agent.get("/a/main/list/?format=json&after=sub/zzz")[2])["entries"]
    assert "one" not in [e["name"] for e in later] and "two & <b>" in [e["name"] for e in later], later
    assert agent.get("/a/main")[0] == 301 and agent.get("/a/main/")[0] == 200
    assert agent.get("/a/main/list/", token=None)[0] == 401
    status, _, body = agent.get("/a/main/nothing/")
    assert status == 200 and b"Nothing is here" in body, status
    print("listing: HTML without scripts, JSON, pages")


def page(agent):
    assert agent.get("/", token=None)[0] == 401
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    status, headers, body = agent.get("/", {"Authorization": f"Basic {basic}"})
    assert status == 200 and b'href="/a/main/"' in body and "script-src 'self'" in headers["Content-Security-Policy"]
    for source in re.findall(r'(?:src|href)="(/page/[^"]*)"', body.decode()):
        assert agent.get(source, token=None)[0] == 200, source
    assert "http" not in re.sub(r"<noscript>.*", "", body.decode()), "an outside request"
    assert json.loads(agent.get("/api/status")[2])["running"] and agent.get("/api/status", token=None)[0] == 401
    assert json.loads(agent.get("/api/streams")[2]) == {"streams": []}
    print("page: for who has a token; nothing from outside")


def links(rig, agent):
    """purser share --via gateway: a link opens what it says, for who has nothing else."""
    config = ("--config", agent.config)
    link = rig.run("share", "--via", "gateway", *config, rig.url("dir/big.bin"))[0].strip()
    path = link.removeprefix("http://127.0.0.1:0")
    assert path.startswith("/a/main/dir/big.bin?expires="), link
    assert agent.get(path, token=None)[0] == 200 and agent.get(path[:-1] + "x", token=None)[0] == 403
    assert agent.get(path.replace("big.bin", "none"), token=None)[0] == 403
    below = rig.run("share", "--via", "gateway", "--expires", "1d", *config, rig.url("list/"))[0].strip()
    status, _, body = agent.get(below.removeprefix("http://127.0.0.1:0"), token=None)
    assert status == 200, status
    for one in re.findall(r'href="\./([^"]*)"', body.decode()):
        assert agent.get("/a/main/list/" + one.replace("&amp;", "&"), token=None)[0] == 200, one
    assert agent.get(below.removeprefix("http://127.0.0.1:0").replace("list/?", "?"), token=None)[0] == 403
    _, err = rig.run("share", "--via", "gateway", *config, "s3://elsewhere/x", expect=2)
    assert "lies below no store" in err, err
    print("links: one object, all below a prefix, nothing more")


HOOK = """-- test
local function download(request, now)
  if purser.prefix('secret/', request.key) then
    return { action = 'deny', reason = 'a secret of ' .. request.store }
  end
  if purser.prefix('free/', request.key) and request.size_bytes < 100 then
    return { action = 'stream', reason = 'small and free' }
  end
  if purser.prefix('slow/', request.key) then
    return { rate = '2MiB', reason = 'slowly' }
  end
  if purser.prefix('broken/', request.key) then
    error('oh no')
  end
  if purser.prefix('direct/', request.key) and request.subject then
    return { action = 'redirect', reason = 'ask the store' }
  end
end
return { api = 1, name = 'who', download = download }
"""


def hook(rig):
    """Policies narrow what tokens allow, and may open what nothing else does."""
    folder = rig.dir / "hook"
    folder.mkdir()
    (folder / "60-who.lua").write_text(HOOK)
    small, slow = rig.dir / "small", rig.source("slow.bin", 3 * MIB)
    for key in ("secret/x", "free/x", "broken/x", "direct/x", "plain/x"):
        rig.run("put", "-q", small, rig.url(key))
    rig.run("put", "-q", slow, rig.url("slow/x"))
    with Agent(rig, flags=("--policy-path", str(folder))) as agent:
        status, _, body = agent.get("/a/main/secret/x")
        assert status == 403 and b"a secret of main" in body, (status, body)
        assert agent.get("/a/main/plain/x")[0] == 200 and agent.get("/a/main/plain/x", token=None)[0] == 401
        assert agent.get("/a/main/free/x", token=None)[2] == b"some bytes"
        assert agent.get("/a/main/free/none", token=None)[0] == 401, "who may not read is not told what there is"
        assert agent.get("/a/main/secret/x", token=None)[0] == 401 and agent.get("/a/none/x", token=None)[0] == 401
        assert agent.get("/a/main/broken/x")[0] == 403, "a policy that fails denies"
        started = time.monotonic()
        assert agent.get("/a/main/slow/x")[2] == slow.read_bytes()
        took = time.monotonic() - started
        assert took > 1.2, f"{took:.2f} s for 3 MiB at 2 MiB/s"
        status, headers, _ = agent.get("/a/main/direct/x")
        assert (status == 307 and "Signature" in headers["Location"]) or status == 501, status
        assert agent.get("/a/main/direct/x", token=None)[0] == 401
    print(f"download hook: deny, allow, redirect, {took:.1f} s for 3 MiB at 2 MiB/s; a fault denies")


def slow_loris(rig):
    """A client that never ends its headers is closed, though it sends a byte now and then; an idle one as well."""
    with Agent(rig, settings="  header_timeout: 2s\n") as agent:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock, \
                socket.create_connection(("127.0.0.1", agent.port), timeout=20) as idle:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
            sock.settimeout(0.2)
            while time.monotonic() - started < 15:
                try:
                    sock.sendall(b"a")
                    if sock.recv(100) == b"":
                        break
                except TimeoutError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    break
            took = time.monotonic() - started
            assert took < 10, f"still open after {took:.1f} s"
            assert idle.recv(100) == b""
    print(f"slow-loris: closed after {took:.1f} s, as is an idle connection")


def busy(rig):
    """Over the memory limit a request is told to come again; when there is room it is served."""
    with Agent(rig, settings="  memory_limit: 100KiB\n") as agent:  # two streams with the smallest blocks
        streams = []
        refused = 0
        for _ in range(6):
            sock = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(f"GET /a/main/dir/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{agent.bearer}\r\n".encode())
            head = sock.recv(4096)
            refused += head.startswith(b"HTTP/1.1 503") and b"Retry-After:" in head
            streams.append(sock)
        assert 0 < refused < 6, refused
        for sock in streams:
            sock.close()
        for _ in range(200):
            if agent.get("/a/main/dir/big.bin", method="HEAD")[0] == 200:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the memory does not come back")
        metrics = agent.get("/metrics", token=None)[2].decode()
        assert re.search(r"purser_gateway_busy_total [1-9]", metrics), metrics
    print(f"memory limit: {refused} of 6 streams put off")


def drain(rig):
    """SIGTERM: what is being sent is sent to its end, new connections are refused, exit 0."""
    agent = Agent(rig)
    size = (rig.dir / "big.bin").stat().st_size
    sock = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
    sock.sendall(f"GET /a/main/dir/big.bin HTTP/1.1\r\nHost: x\r\n{agent.bearer}\r\n".encode())
    got = sock.recv(1000)
    idle = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
    agent.process.terminate()
    assert idle.recv(100) == b""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", agent.port), timeout=5).close()
        except ConnectionRefusedError:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("it listens on")
    while more := sock.recv(65536):
        got += more
        if got.endswith(b"\r\n\r\n") or len(got) > size + 200:
            if len(got) >= size + got.index(b"\r\n\r\n") + 4:
                break
    body = got[got.index(b"\r\n\r\n") + 4:]
    assert hashlib.sha256(body).hexdigest() == sha256(rig.dir / "big.bin"), len(body)
    sock.close()
    assert agent.process.wait(timeout=60) == 0
    agent.process.stderr.close()
    print("drain: the stream ends whole, exit 0")


def bad_settings(rig):
    config = rig.dir / "bad.yaml"
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    open_file = rig.dir / "open-tokens"
    open_file.write_text(f"{TOKEN}\n")
    open_file.chmod(0o644)
    for text, code, words in ((f"gateway: {{ listen: 127.0.0.1:{port} }}", 7, "another process listens"),
                              ("gateway: { listen: localhost }", 2, "is no address"),
                              (f"gateway: {{ tokens_file: {open_file} }}", 4, "chmod o-rwx"),
                              ("gateway: { tokens_file: /nonexistent }", 3, "/nonexistent"),
                              (f"gateway: {{ listen: 127.0.0.1:0, tls_cert: {config}, tls_key: {config} }}", 2, "PEM"),
                              ("stores: { x: { url: \"ftp://h/\" } }\ngateway: { listen: 127.0.0.1:0 }", 2, "store x")):
        config.write_text(text + "\n")
        _, err = rig.run("agent", "--config", config, expect=code)
        assert words in err and len(err.splitlines()) == 1, err
    taken.close()
    print("bad settings: one line and an exit code each")


def main():
    with Rig(sys.argv[1]) as rig:
        (rig.dir / "tokens").write_text(f"{TOKEN} operate\na-scoped-token-of-some-length main/open/\n")
        (rig.dir / "tokens").chmod(0o600)
        with Agent(rig, settings="  allow: [ main/open/ ]\n") as agent:
            objects(rig, agent)
            odd_keys(rig, agent)
            access(rig, agent)
            listing(rig, agent)
            page(agent)
            links(rig, agent)
            attacks(agent)
            keep_alive(agent)
        hook(rig)
        slow_loris(rig)
        busy(rig)
        drain(rig)
        bad_settings(rig)


main()
