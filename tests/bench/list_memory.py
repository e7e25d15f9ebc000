#!/usr/bin/env python3
"""ls -r of a million files: peak RSS. Gate: 32 MiB, over S3 (a fake server of pages) and file://.
Usage: list_memory.py [files]; PURSER names the binary (release build)."""
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from rig import PURSER  # noqa: E402  pylint: disable=wrong-import-position

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


class Pages(http.server.BaseHTTPRequestHandler):
    """ListObjectsV2 of COUNT keys."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        first = int(query.get("continuation-token", ["0"])[0])
        last = min(first + 1000, COUNT)
        rows = "".join(f"<Contents><Key>a/b/file-{i:08}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                       f'<ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>{i}</Size></Contents>'
                       for i in range(first, last))
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>" if last < COUNT \
            else "<IsTruncated>false</IsTruncated>"
        body = f'<?xml version="1.0"?><ListBucketResult>{more}{rows}</ListBucketResult>'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def measure(url, env):
    process = subprocess.Popen([PURSER, "ls", "-r", url], env=env, stdout=subprocess.PIPE)
    lines = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0 and lines == COUNT, (status, lines)
    rss = usage.ru_maxrss / 1024
    print(f"ls -r {url.split(':')[0]}: {lines} files, RSS {rss:.1f} MiB (gate 32)", flush=True)
    return rss <= 32


def main():
    with tempfile.TemporaryDirectory(prefix="purser-bench-") as top:
        env = dict(os.environ, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_REGION="us-east-1",
                   PURSER_STATE_DIR=top + "/state")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{server.server_port}"
        good = measure("s3://bkt/a/", env)
        server.shutdown()
        for i in range(COUNT):
            folder = f"{top}/files/{i // 10000:04}"
            if i % 10000 == 0:
                os.makedirs(folder)
            os.close(os.open(f"{folder}/{i:08}", os.O_CREAT | os.O_WRONLY))
        return 0 if measure(f"file://{top}/files/", env) and good else 1


sys.exit(main())
