#!/usr/bin/env python3
"""ls -r of a million files: peak RSS. Gate: 32 MiB, over S3 (a fake server of pages: one flat directory; a hundred
directories, whose pages come in parallel and wait for their turn) and file://.
Besides: how long the hundred directories take from a store that needs 100 ms a page, against page after page.
Usage: list_memory.py [files]; PURSER names the binary (release build)."""
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from rig import PURSER  # noqa: E402  pylint: disable=wrong-import-position

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
DIRECTORIES = 100


class Pages(http.server.BaseHTTPRequestHandler):
    """ListObjectsV2 of COUNT keys: below flat/ in one directory, below tree/ in DIRECTORIES of equal size."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):  # pylint: disable=invalid-name
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        time.sleep(self.server.delay_s)
        self.server.requests += 1
        prefix, after = query["prefix"], query.get("continuation-token") or query.get("start-after") or ""
        each = COUNT if prefix.startswith("flat/") else COUNT // DIRECTORIES

        def key(number):
            return f"flat/file-{number:08}" if each == COUNT else f"tree/{number // each:03}/file-{number % each:08}"

        if query.get("delimiter"):
            rows, more = [f"tree/{i:03}/" for i in range(DIRECTORIES) if f"tree/{i:03}/" > after], False
            text = "".join(f"<CommonPrefixes><Prefix>{row}</Prefix></CommonPrefixes>" for row in rows)
        else:
            low, high = 0, COUNT  # the first key that is above after
            while low < high:
                middle = (low + high) // 2
                low, high = (middle + 1, high) if key(middle) <= after else (low, middle)
            rows = [key(i) for i in range(low, min(low + 1000, COUNT)) if key(i).startswith(prefix)]
            more = len(rows) == 1000 and low + 1000 < COUNT
            text = "".join(f"<Contents><Key>{row}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                           '<ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>1</Size></Contents>' for row in rows)
        tail = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{rows[-1]}</NextContinuationToken>" if more \
            else "<IsTruncated>false</IsTruncated>"
        body = f'<?xml version="1.0"?><ListBucketResult>{tail}{text}</ListBucketResult>'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    delay_s = 0.0
    requests = 0

    def handle_error(self, request, client_address):
        """A client that has its answer may end while its other connections are open."""


def measure(url, env):
    process = subprocess.Popen([PURSER, "ls", "-r", url], env=env, stdout=subprocess.PIPE)
    lines = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0 and lines == COUNT, (status, lines)
    rss = usage.ru_maxrss / 1024
    print(f"ls -r {url.split(env['TOP'])[0]}: {lines} files, RSS {rss:.1f} MiB (gate 32)", flush=True)
    return rss <= 32


def measure_pace(server, env):
    server.delay_s, server.requests = 0.1, 0
    started = time.monotonic()
    good = measure("s3://bkt/tree/", env)
    took_s = time.monotonic() - started
    print(f"100 ms a page: {server.requests} requests for {COUNT // 1000} pages, {took_s:.1f} s; page after page "
          f"{COUNT // 1000 * server.delay_s:.1f} s of waiting alone", flush=True)
    return good


def main():
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as top:
        env = dict(os.environ, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_REGION="us-east-1",
                   PURSER_STATE_DIR=top + "/state", TOP=top)
        server = Server(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{server.server_port}"
        good = measure("s3://bkt/flat/", env)
        good = measure("s3://bkt/tree/", env) and good
        good = measure_pace(server, env) and good
        server.shutdown()
        for i in range(COUNT):
            folder = f"{top}/files/{i // 10000:04}"
            if i % 10000 == 0:
                os.makedirs(folder)
            os.close(os.open(f"{folder}/{i:08}", os.O_CREAT | os.O_WRONLY))
        return 0 if measure(f"file://{top}/files/", env) and good else 1


sys.exit(main())
