#!/usr/bin/env python3
"""Every kind of range and condition, asked of the gateway and of nginx serving the same file, and compared.

Usage: nginx_matrix.py   (the store is file://, so that both have the same bytes and time)
The validators are each server's own: ETag differs, so conditions are asked with the ETag of the one that is asked.
"""
import http.client
import os
import re
import subprocess
import sys

from agent_rig import Agent, TOKEN
from rig import Rig, free_port, wait_for_port

NGINX = """
{user}worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 64; }}
http {{ access_log off; default_type application/octet-stream; if_modified_since before; max_ranges 32;
  types {{ text/plain txt; }}
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""
SIZE = 100003
RANGES = [None, "bytes=0-0", "bytes=0-", "bytes=5-9", "bytes=-1", "bytes=-0", f"bytes=-{SIZE}", f"bytes=-{SIZE + 5}",
          f"bytes={SIZE - 1}-", f"bytes={SIZE}-", f"bytes={SIZE + 7}-{SIZE + 9}", f"bytes=0-{SIZE - 1}", f"bytes=0-{SIZE}",
          f"bytes=7-{SIZE * 9}", "bytes=9-5", "bytes=0-18446744073709551616", "bytes=18446744073709551616-",
          "bytes=-18446744073709551616", "bytes=0-0,2-3", "bytes=0-0,-1", "bytes=5-9,0-3", "bytes=0-9,5-14",
          f"bytes=0-{SIZE},0-0", f"bytes={SIZE}-,0-1", f"bytes={SIZE}-,{SIZE + 1}-", "bytes=1-2,,4-5", "bytes=1-2,", "bytes=",
          "bytes=-", "bytes=x-y", "bytes=1-x", "bytes=1", "bytes= 1 - 5 ", "Bytes=1-2", "bytes 1-2", "items=1-2", "", "1-2",
          "bytes=" + ",".join(f"{i * 10}-{i * 10 + 1}" for i in range(32)),
          "bytes=" + ",".join(f"{i * 10}-{i * 10 + 1}" for i in range(33))]
OLD, NEW = "Thu, 01 Jan 2015 00:00:00 GMT", "Fri, 01 Jan 2038 00:00:00 GMT"


def conditions(etag, modified):
    yield {}
    for name in ("If-Match", "If-None-Match"):
        for value in (etag, '"other"', "*", f'"a", {etag}', "W/" + etag, "nonsense"):
            yield {name: value}
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        for value in (OLD, modified, NEW, "yesterday"):
            yield {name: value}
    yield {"If-None-Match": '"other"', "If-Modified-Since": NEW}
    yield {"If-None-Match": etag, "If-Modified-Since": OLD}
    yield {"If-Match": '"other"', "If-None-Match": etag}


def if_ranges(etag, modified):
    return (None, etag, '"other"', "W/" + etag, modified, OLD, NEW, "nonsense")


def ask(port, path, method, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=dict(headers, Authorization=f"Bearer {TOKEN}"))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def parts_of(headers, body):
    """A multipart/byteranges as [(range, bytes)]: boundaries are each server's own."""
    boundary = re.match(r"multipart/byteranges; boundary=(\S+)", headers["Content-Type"])
    if not boundary:
        return body
    parts = body.split(b"\r\n--" + boundary[1].encode())
    assert parts[0] == b"" and parts[-1] == b"--\r\n", parts[-1]
    return [(re.search(rb"Content-Range: ([^\r\n]*)", head)[1], content)
            for head, content in (part.split(b"\r\n\r\n", 1) for part in parts[1:-1])]


def answer_of(port, path, method, headers):
    """What must be the same: status, length, range, validators that are there, the bytes."""
    status, got, body = ask(port, path, method, headers)
    shape = [status, got["Content-Range"] if status in (206, 416) else None]
    if status in (200, 206):
        shape += [got["Last-Modified"], "ETag" in got]  # nginx leaves Accept-Ranges out of a 206
        multipart = got["Content-Type"].startswith("multipart")
        shape.append(parts_of(got, body) if method == "GET" else body)
        shape.append("multipart" if multipart else got["Content-Length"])
    return shape


def deliberate(headers):
    """Where nginx does not do as RFC 9110 says, and the gateway does."""
    if headers.get("If-Unmodified-Since") == "yesterday":
        return True  # 13.1.4: what is no date is ignored
    if "If-None-Match" in headers and headers.get("If-Modified-Since") == OLD:
        return True  # 13.1.3: ignored beside If-None-Match
    # 14.1.2: a last position behind the end, or a suffix longer than the object, means its end
    return headers.get("Range") in ("bytes=0-18446744073709551616", "bytes=-18446744073709551616")


def compare(rig, port):
    asked, differ = 0, []
    with Agent(rig) as agent:
        servers = ((agent.port, "/a/main/"), (port, "/"))
        for name in ("x.txt", "empty.txt"):
            marks = [ask(*server[:1], server[1] + name, "HEAD", {})[1] for server in servers]
            rows = []
            for mark in marks:
                etag, modified = mark["ETag"], mark["Last-Modified"]
                rows.append([dict({"Range": r} if r is not None else {}, **({"If-Range": i} if i else {}))
                             for r in RANGES for i in (if_ranges(etag, modified) if r == "bytes=5-9" else (None,))] +
                            [dict(c, **extra) for c in conditions(etag, modified) for extra in ({}, {"Range": "bytes=5-9"})])
            for method in ("GET", "HEAD"):
                for ours, theirs in zip(*rows):
                    asked += 1
                    have = answer_of(servers[0][0], servers[0][1] + name, method, ours)
                    want = answer_of(servers[1][0], servers[1][1] + name, method, theirs)
                    if have != want and not deliberate(ours):
                        differ.append((name, method, ours, str(have)[:150], str(want)[:150]))
    return asked, differ


def main():
    with Rig("file") as rig:
        (rig.data / "bkt" / "x.txt").write_bytes(os.urandom(SIZE))
        (rig.data / "bkt" / "empty.txt").write_bytes(b"")
        port = free_port()
        (rig.dir / "nginx.conf").write_text(NGINX.format(
            dir=rig.dir, root=rig.data / "bkt", port=port, user="user root; " if os.getuid() == 0 else ""))
        nginx = subprocess.Popen(["nginx", "-c", str(rig.dir / "nginx.conf"), "-e", str(rig.dir / "nginx.log")],
                                 stderr=subprocess.DEVNULL)
        wait_for_port(port, nginx)
        try:
            asked, differ = compare(rig, port)
        finally:
            nginx.terminate()
            nginx.wait()
    for row in differ:
        print("differs:", *row, sep="\n   ")
    print(f"{asked} requests compared with nginx, {len(differ)} answers differ (but for the three kinds that deliberate() names)")
    return 1 if differ else 0


sys.exit(main())
