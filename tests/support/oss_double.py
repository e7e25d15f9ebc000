#!/usr/bin/env python3
"""A double of Aliyun OSS on 127.0.0.1: the dialect as documented, with Aliyun's own SDKs as the judge of signatures.

Usage: oss_double.py DIR [--bucket NAME] [--key-id ID] [--secret SECRET] [--token TOKEN] [--region ID] [--product NAME]

Prints "PORT n" when it listens. Signatures: oss_judge.py; what requests do: oss_operations.py. CRC-64 is
crcmod's, as in oss2. Objects are lists of files under DIR, so that completing a multipart upload copies nothing; blocks of
zeros become holes.

Faults are ordered by POST /-/fault with JSON: {"method", "key", "query" (a parameter's name), "header" (a name), "times",
"skip"} say which requests; "status" and "code" (an error of OSS), "kind" says what else: "wrong_crc", "no_crc", "drop" (the request takes
effect, its answer is lost), "close" (nothing happens), "cut" (half of the body), "clock" (the answer's Date is off by
"seconds"), "elsewhere" (AccessDenied with an Endpoint). {"clear": true} takes back all. POST /-/state {"token",
"secret", "key_id", "region", "product", "clock"} changes what is accepted. GET /-/log lists the requests, a JSON object a
line.
"""
import argparse
import base64
import email.utils
import hashlib
import http.server
import itertools
import json
import os
import socketserver
import sys
import threading
import time
import urllib.parse
import uuid

from requests.structures import CaseInsensitiveDict

sys.dont_write_bytecode = True
from oss_judge import Judge, Refused, Request  # noqa: E402
from oss_operations import BLOCK, Operations, document, element, new_crc  # noqa: E402

ZEROS = bytes(BLOCK)
SPEND_MAX = 4 * 1024 * 1024  # of a body that nobody reads


class Store:
    def __init__(self, args):
        self.args = args
        self.dir = args.dir
        self.lock = threading.RLock()
        self.objects, self.uploads = {}, {}
        self.lifecycle = None
        self.faults, self.log = [], []
        self.clock_s = 0
        self.numbers = itertools.count(1)
        os.makedirs(self.dir, exist_ok=True)

    def now(self):
        return time.time() + self.clock_s

    def new_file(self):
        return os.path.join(self.dir, f"{next(self.numbers):08d}")


class Handler(Operations, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AliyunOSS"
    sys_version = ""
    rbufsize = 256 * 1024
    disable_nagle_algorithm = True
    store = None
    judge = None

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        self.wants_continue = True
        return True

    def version_string(self):
        return self.server_version

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(self.store.now() + self.date_shift_s, usegmt=True)

    # --- one request ---

    def handle_one_request(self):
        self.wants_continue = False
        self.date_shift_s = 0
        self.body_left = 0
        self.fault = None
        super().handle_one_request()

    def take_request(self):
        parts = urllib.parse.urlsplit(self.path)
        host = self.headers.get("host", "").split(":")[0]
        path = urllib.parse.unquote(parts.path[1:], errors="surrogateescape")
        first = host.split(".")[0]
        if host and not host.replace(".", "").isdigit() and first == self.store.args.bucket:
            bucket, key = first, path
        else:
            bucket, _, key = path.partition("/")
        params = {}
        for pair in filter(None, parts.query.split("&")):
            name, _, value = pair.partition("=")
            params[urllib.parse.unquote(name)] = urllib.parse.unquote(value, errors="surrogateescape")
        headers = CaseInsensitiveDict()
        for name, value in self.headers.items():
            headers[name] = value
        self.body_left = int(headers.get("content-length") or 0)
        return Request(self.command, f"http://{host}{self.path}", bucket or None, key or None, params, headers)

    def find_fault(self, request):
        with self.store.lock:
            for fault in self.store.faults:
                if ("method" in fault and fault["method"] != request.method) or \
                        ("key" in fault and fault["key"] != request.key) or \
                        ("query" in fault and fault["query"] not in request.params) or \
                        ("header" in fault and fault["header"] not in request.headers):
                    continue
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                fault["times"] = fault.get("times", 1) - 1
                if fault["times"] <= 0:
                    self.store.faults.remove(fault)
                return fault
        return None

    def serve(self):
        request = self.take_request()
        self.request_now = request
        if self.path.startswith("/-/"):
            self.control(request)
            return
        self.fault = self.find_fault(request)
        entry = {"method": request.method, "path": self.path, "host": self.headers.get("host"),
                 "headers": {k.lower(): v for k, v in request.headers.items() if k.lower() != "authorization"},
                 "signature": (request.headers.get("authorization") or "url").split(" ")[0]}
        try:
            with self.store.lock:
                self.store.log.append(entry)
            if request.bucket is not None and request.bucket != self.store.args.bucket:
                raise Refused(404, "NoSuchBucket", "The specified bucket does not exist.", BucketName=request.bucket)
            self.judge.check(request)
            self.apply_fault_before()
            self.dispatch(request)
            entry["status"] = "ok"
        except Refused as refused:
            entry["status"], entry["code"] = refused.status, refused.code
            self.answer_error(refused)

    def apply_fault_before(self):
        fault = self.fault or {}
        kind = fault.get("kind")
        if kind == "clock":
            self.date_shift_s = fault["seconds"]
        if kind == "close":
            self.read_all()
            self.close_connection = True
            raise ConnectionAbortedError
        if kind == "elsewhere":
            raise Refused(403, "AccessDenied", "The bucket you are attempting to access must be addressed using the "
                          "specified endpoint. Please send all future requests to this endpoint.",
                          Endpoint=fault["endpoint"])
        if "status" in fault and not (fault["status"] == 200):
            raise Refused(fault["status"], fault.get("code", "InternalError"), fault.get("message", ""),
                          **fault.get("fields", {}))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = lambda self: self.guarded()

    def guarded(self):
        try:
            self.serve()
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True

    # --- bodies ---

    def allow_body(self):
        if self.wants_continue:
            self.wants_continue = False
            self.send_response_only(100)
            self.end_headers()

    def read_block(self):
        if self.body_left == 0:
            return b""
        self.allow_body()
        block = self.rfile.read(min(self.body_left, BLOCK))
        if not block:
            raise ConnectionAbortedError
        self.body_left -= len(block)
        return block

    def read_all(self):
        blocks = []
        while self.body_left:
            blocks.append(self.read_block())
        return b"".join(blocks)

    def store_body(self, with_md5):
        """The body as one file; returns (path, size, crc, md5)."""
        path, size, crc = self.store.new_file(), 0, new_crc()
        md5 = hashlib.md5() if with_md5 else None
        with open(path, "wb") as file:
            while self.body_left:
                block = self.read_block()
                crc.update(block)
                if md5:
                    md5.update(block)
                if block == ZEROS[:len(block)]:
                    file.seek(len(block), os.SEEK_CUR)
                else:
                    file.write(block)
                size += len(block)
            file.truncate(size)
        return path, size, crc.crcValue, md5.digest() if md5 else b""

    def answer(self, status, body=b"", headers=(), content_type="application/xml"):
        self.drain()
        if (self.fault or {}).get("kind") == "drop":
            self.close_connection = True
            raise ConnectionAbortedError
        self.send_response(status)
        self.send_header("x-oss-request-id", uuid.uuid4().hex[:24].upper())
        for name, value in headers:
            if value is not None and not (name == "x-oss-hash-crc64ecma" and self.change_crc() is None):
                if name == "x-oss-hash-crc64ecma":
                    value = int(value) ^ self.change_crc()
                self.send_header(name, str(value))
        if body:
            self.send_header("content-type", content_type)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def change_crc(self):
        """What the CRC in the answer is changed by; None = it is left out."""
        kind = (self.fault or {}).get("kind")
        return None if kind == "no_crc" else 1 if kind == "wrong_crc" else 0

    def drain(self):
        """What was not read of the body: a little is read, else the connection ends."""
        if self.body_left and (self.wants_continue or self.body_left > SPEND_MAX):
            self.close_connection = True
        while self.body_left and not self.close_connection:
            self.read_block()

    def answer_error(self, refused):
        fields = {"RequestId": uuid.uuid4().hex[:24].upper(), "HostId": self.headers.get("host", ""),
                  "EC": "0000-00000001", **refused.fields}
        body = document("Error", element("Code", refused.code), element("Message", refused.message),
                        *(element(name, value) for name, value in fields.items()))
        self.fault = None
        headers = [("x-oss-ec", fields["EC"])]
        if self.command == "HEAD":
            headers.append(("x-oss-err", base64.b64encode(body).decode()))
            body = b""
        headers += refused.fields.get("headers", {}).items() if isinstance(refused.fields.get("headers"), dict) else []
        self.drain()
        self.send_response(refused.status)
        self.send_header("x-oss-request-id", fields["RequestId"])
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # --- orders of the test ---

    def control(self, request):
        body = json.loads(self.read_all() or b"{}")
        if self.path == "/-/fault":
            with self.store.lock:
                self.store.faults[:] = [] if body.get("clear") else self.store.faults + [body]
        elif self.path == "/-/state":
            for name in ("token", "secret", "key_id", "region", "product"):
                if name in body:
                    setattr(self.store.args, name, body[name])
            self.store.clock_s = body.get("clock", self.store.clock_s)
        lines = b""
        if self.path == "/-/log":
            with self.store.lock:
                lines = "".join(json.dumps(entry) + "\n" for entry in self.store.log).encode()
                self.store.log.clear()
        self.fault = None
        self.answer(200, lines, content_type="application/json")

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", default="bkt")
    parser.add_argument("--key-id", default="testkey123")
    parser.add_argument("--secret", default="testsecret123")
    parser.add_argument("--token", default=None)
    parser.add_argument("--region", default="cn-hangzhou")
    parser.add_argument("--product", default="oss")
    args = parser.parse_args()
    Handler.store = Store(args)
    Handler.judge = Judge(Handler.store)
    server = Server(("127.0.0.1", args.port), Handler)
    print(f"PORT {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
