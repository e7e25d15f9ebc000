#!/usr/bin/env python3
"""ls -r and rm -r against a server of pages: every key once and in order, requests that overlap, and not many more of
them than there are pages. The pages are of 50 keys here, so that small trees have many.
Usage: list.py"""
import bisect
import http.server
import json
import os
import random
import subprocess
import tempfile
import threading
import urllib.parse
import xml.sax.saxutils

from rig import PURSER

PAGE = 50


class Store:
    """Keys of one bucket; what was asked, and how many requests were there at once."""

    def __init__(self, keys, ordered=True, meet=0):
        self.ordered = ordered
        self.keys = sorted(keys) if ordered else list(keys)
        self.meet = meet  # a request waits for so many others to come, if they do
        self.requests = 0
        self.here = 0
        self.most = 0
        self.changed = threading.Condition()
        self.deleted = []
        self.deny_after = None

    def enter(self):
        with self.changed:
            self.requests += 1
            self.here += 1
            self.most = max(self.most, self.here)
            self.changed.notify_all()
            if self.meet and self.requests > 1:
                self.changed.wait_for(lambda: self.most >= self.meet, timeout=5)

    def leave(self):
        with self.changed:
            self.here -= 1

    def page(self, query):
        prefix = query.get("prefix", "").encode()
        token = query.get("continuation-token") or query.get("start-after") or ""
        after = token.encode()
        delimiter = query.get("delimiter", "").encode()
        keys = [key for key in self.keys if key.startswith(prefix)]
        if self.ordered:
            at = bisect.bisect_right(keys, after)
        else:
            at = keys.index(after) + 1 if after else 0
        rows, last = [], b""
        while at < len(keys) and len(rows) < PAGE:
            key = keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                common = key[:cut + 1]
                while at < len(keys) and keys[at].startswith(common):
                    last = keys[at]
                    at += 1
                rows.append((common, True))
            else:
                rows.append((key, False))
                last = key
                at += 1
        return rows, last.decode() if at < len(keys) else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        store = self.server.store
        store.enter()
        try:
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query, keep_blank_values=True))
            if store.deny_after is not None and store.requests > store.deny_after:
                self.answer(403, "<Error><Code>AccessDenied</Code><Message>no more</Message></Error>")
                return
            rows, more = store.page(query)
            quote = urllib.parse.quote
            text = "".join(f"<CommonPrefixes><Prefix>{quote(key)}</Prefix></CommonPrefixes>" if common else
                           f'<Contents><Key>{quote(key)}</Key><Size>1</Size><ETag>"e"</ETag>'
                           "<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>" for key, common in rows)
            tail = f"<NextContinuationToken>{xml.sax.saxutils.escape(more)}</NextContinuationToken>" if more else ""
            self.answer(200, f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>"
                             f"{'true' if more else 'false'}</IsTruncated>{tail}{text}</ListBucketResult>")
        finally:
            store.leave()

    def do_POST(self):  # pylint: disable=invalid-name
        store = self.server.store
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = [xml.sax.saxutils.unescape(part.split("</Key>")[0], {"&quot;": '"', "&apos;": "'"})
                for part in body.split("<Key>")[1:]]
        with store.changed:
            store.deleted += [key.encode() for key in keys]
            gone = set(store.deleted)
            store.keys = [key for key in store.keys if key not in gone]
        self.answer(200, "<DeleteResult>" + "".join(
            f"<Deleted><Key>{xml.sax.saxutils.escape(key)}</Key></Deleted>" for key in keys) + "</DeleteResult>")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that has its answer may end while its other connections are open."""


class Bench:
    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.state = tempfile.TemporaryDirectory(prefix="purser-flow-")
        self.env = dict(os.environ, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_REGION="us-east-1",
                        AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{self.server.server_port}",
                        PURSER_STATE_DIR=self.state.name, AWS_EC2_METADATA_DISABLED="true")

    def run(self, store, *args, expect=0):
        self.server.store = store
        done = subprocess.run([PURSER, *args], env=self.env, capture_output=True, timeout=120, check=False)
        assert done.returncode == expect, (args, done.returncode, done.stderr)
        return done

    def keys(self, store, url, *args):
        out = self.run(store, "ls", "-r", url, "--json", *args).stdout
        return [json.loads(line)["key"].encode() for line in out.splitlines()]


def shapes():
    """Name, keys, and whether they are flat: then there are as many requests as pages. Else it depends on the order of
    answers: at most as many times the pages as requests go side by side, and those of a first attempt."""
    few = PAGE // 10
    return {
        "flat": ([f"p/f{i:05}" for i in range(25 * PAGE)], True),
        "flat of whole pages and one": ([f"p/f{i:05}" for i in range(3 * PAGE + 1)], True),
        "small": ([f"p/d{i}/f" for i in range(few)], True),
        "even": ([f"p/d{i:02}/f{j:03}" for i in range(30) for j in range(PAGE + 20)], False),
        "whole pages": ([f"p/d{i:02}/f{j:03}" for i in range(12) for j in range(2 * PAGE)], False),
        "half pages": ([f"p/d{i:02}/f{j:03}" for i in range(60) for j in range(PAGE // 2)], False),
        "one each": ([f"p/d{i:05}/f" for i in range(30 * PAGE)], True),
        "one large, then one each": ([f"p/a/f{i:05}" for i in range(20 * PAGE)] +
                                     [f"p/d{i:05}/f" for i in range(20 * PAGE)], False),
        "deep": ([f"p/{'x/' * i}y{j}" for i in range(30) for j in range(40)], False),
        "large leaf below two": ([f"p/a/b/f{i:05}" for i in range(10 * PAGE)] + [f"p/a/c/f{i}" for i in range(90)] +
                                 [f"p/b/f{i}" for i in range(200)], False),
        "names beside a directory": ([f"p/{name}{tail}" for name in ("x1", "x2", "x3") for tail in
                                      ["", "/", "-a", ".txt", "0", "!"]] +
                                     [f"p/x{i}/f{j:03}" for i in (1, 2, 3) for j in range(3 * PAGE)] +
                                     [f"p/x{i}!{j:03}" for i in (1, 2, 3) for j in range(PAGE)], False),
        "beyond ASCII": ([f"p/é{i:02}/ü {j:03}&<" for i in range(9) for j in range(2 * PAGE)], False),
    }


def random_tree(rng):
    keys = set()

    def fill(prefix, depth):
        for _ in range(rng.choice((0, 1, 3, PAGE // 2, PAGE + 3, 4 * PAGE))):
            keys.add(f"{prefix}{rng.choice('abx!-0~')}{rng.randrange(10000)}")
        for _ in range(rng.randrange(1, 5) if depth < 4 else 0):
            fill(f"{prefix}{rng.choice('abx!-0~')}{rng.randrange(30)}/", depth + 1)

    fill("p/", 0)
    return [key.encode() for key in keys]


def check_shapes(bench):
    for name, (keys, flat) in shapes().items():
        store = Store([key.encode() for key in keys])
        wanted = list(store.keys)
        assert bench.keys(store, "s3://bkt/p/") == wanted, name
        pages = -(-len(wanted) // PAGE)
        print(f"{name}: {len(wanted)} keys, {pages} pages, {store.requests} requests, {store.most} at once")
        assert store.requests <= (pages if flat else 5 * pages + 6), (name, store.requests, pages)


def check_random(bench):
    rng = random.Random(11)
    requests = pages = 0
    for number in range(40):
        store = Store(random_tree(rng))
        wanted = [key for key in store.keys if key.startswith(b"p/a")]
        if wanted:
            assert bench.keys(store, "s3://bkt/p/a") == wanted, number
        store.requests = 0
        assert bench.keys(store, "s3://bkt/p/") == store.keys, number
        requests += store.requests
        pages += -(-len(store.keys) // PAGE)
    print(f"random trees: {pages} pages, {requests} requests")
    assert requests <= 2 * pages


def check_takeover(bench):
    """A segment that takes over the next one, which ends in another directory, goes on to that one's end. Which segments
    are under way then depends on the order of answers: so the same tree several times."""
    tree = random_tree(random.Random(11))
    for _ in range(12):
        store = Store(tree)
        assert bench.keys(store, "s3://bkt/p/") == store.keys
    print(f"the same {len(tree)} keys, again and again")


def check_overlap(bench):
    """Each request waits until three are there at once: a list that goes page by page would wait five seconds for each."""
    keys = [f"p/d{i:02}/f{j:03}".encode() for i in range(6) for j in range(3 * PAGE)]
    store = Store(keys, meet=3)
    assert bench.keys(store, "s3://bkt/p/") == sorted(keys)
    assert store.most >= 3, store.most
    store = Store(keys + [b"q"], meet=3)
    bench.run(store, "rm", "-r", "s3://bkt/p/")
    assert store.keys == [b"q"] and sorted(set(store.deleted)) == sorted(keys), len(store.keys)
    assert store.most >= 3, store.most
    print("requests of ls -r and rm -r overlap")


def check_filters(bench):
    keys = [f"p/d{i}/{name}{j}.{end}".encode() for i in range(4) for name in "ab" for j in range(30)
            for end in ("txt", "log")]
    store = Store(keys)
    got = bench.keys(store, "s3://bkt/p/", "--include", "*.txt", "--exclude", "d2", "--exclude", "d3/a*")
    assert got == [key for key in store.keys if key.endswith(b".txt") and b"/d2/" not in key and b"/d3/a" not in key]
    bench.run(store, "rm", "-r", "s3://bkt/p/", "--include", "*.txt", "--exclude", "d0")
    assert store.keys == sorted(key for key in keys if not key.endswith(b".txt") or b"/d0/" in key)
    for command in ("ls", "rm"):
        done = bench.run(store, command, "s3://bkt/p/x", "--include", "*", expect=2)
        assert b"--include goes with -r" in done.stderr, done.stderr
    print("filters of ls and rm")


def check_trouble(bench):
    keys = [f"p/d{i:02}/f{j:03}".encode() for i in range(9) for j in range(2 * PAGE)]
    shuffled = list(keys)
    random.Random(2).shuffle(shuffled)
    store = Store(shuffled, ordered=False)
    assert bench.keys(store, "s3://bkt/p/") == shuffled, "a store without order is listed page by page"
    for after in (1, 2, 4, 9):
        store = Store(keys)
        store.deny_after = after
        done = bench.run(store, "ls", "-r", "s3://bkt/p/", expect=4)
        assert b"AccessDenied" in done.stderr, done.stderr
    print("no order, and errors on the way")


def main():
    bench = Bench()
    check_shapes(bench)
    check_random(bench)
    check_takeover(bench)
    check_overlap(bench)
    check_filters(bench)
    check_trouble(bench)
    bench.server.shutdown()
    bench.state.cleanup()


main()
