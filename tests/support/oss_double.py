#!/usr/bin/env python3
"""A double of Aliyun OSS on 127.0.0.1: the dialect as documented, with Aliyun's own SDKs as the judge of signatures.

Usage: oss_double.py DIR [--bucket NAME] [--key-id ID] [--secret SECRET] [--token TOKEN] [--region ID] [--product NAME]

Prints "PORT n" when it listens. Version 4 signatures are computed anew with alibabacloud_oss_v2 and with oss2, version 1
with oss2; both must agree with what came. CRC-64 is crcmod's, as in oss2. Objects are lists of files under DIR, so that
completing a multipart upload copies nothing; zero blocks become holes.

Faults are ordered by POST /-/fault with JSON: {"method", "key", "query" (a parameter's name), "times", "skip"} say which
requests; "status" and "code" (an error of OSS), "kind" says what else: "wrong_crc", "no_crc", "drop" (the request takes
effect, its answer is lost), "close" (nothing happens), "cut" (half of the body), "clock" (the answer's Date is off by
"seconds"), "elsewhere" (AccessDenied with an Endpoint). {"clear": true} takes back all. POST /-/state {"token",
"secret", "key_id", "region", "product", "clock"} changes what is accepted. GET /-/log lists the requests, a JSON object a line.
"""
import argparse
import base64
import collections
import datetime
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
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import crcmod
import oss2
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import Credentials, HttpRequest, SigningContext
from oss2.crc64_combine import mkCombineFun
from requests.structures import CaseInsensitiveDict

KIB = 1024
MIB = 1024 * KIB
BLOCK = MIB
ZEROS = bytes(BLOCK)
PART_SIZE_MIN = 100 * KIB
SKEW_MAX_S = 900
CRC = oss2.utils.Crc64
COMBINE = mkCombineFun(CRC._POLY, initCrc=0, rev=True, xorOut=CRC._XOROUT)
ARCHIVED = ("Archive", "ColdArchive", "DeepColdArchive")
CLASSES = ("Standard", "IA") + ARCHIVED


def new_crc():
    return crcmod.Crc(CRC._POLY, initCrc=0, rev=True, xorOut=CRC._XOROUT)


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status, code, message="", **fields):
        super().__init__(code)
        self.status, self.code, self.message, self.fields = status, code, message or code, fields


class Object:
    """An object or a part: files in order, each with its size."""

    def __init__(self, segments, size, crc, etag, headers=None):
        self.segments, self.size, self.crc, self.etag = segments, size, crc, etag
        self.headers = dict(headers or {})
        self.tags = []
        self.mtime = time.time()
        self.is_multipart = False
        self.restore_left = None  # HEADs until a restore is done; 0 = it is

    @property
    def storage_class(self):
        return self.headers.get("x-oss-storage-class", "Standard")


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


# --- signatures ---

def names_of(text):
    return [name for name in text.split(";") if name]


class Judge:
    """Aliyun's SDKs compute what the signature must be."""

    def __init__(self, store):
        self.store = store

    def secret(self, key_id):
        if key_id != self.store.args.key_id:
            raise Refused(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
        return self.store.args.secret

    def check_token(self, token):
        wanted = self.store.args.token
        if token == "expired":
            raise Refused(403, "SecurityTokenExpired", "The security token you provided has expired.")
        if (token or None) != (wanted or None):
            raise Refused(403, "InvalidSecurityToken", "The security token you provided is invalid.")

    def check_time(self, unix_s):
        if abs(unix_s - self.store.now()) > SKEW_MAX_S:
            raise Refused(403, "RequestTimeTooSkewed",
                          "The difference between the request time and the current time is too large.")

    def refuse(self, what):
        raise Refused(403, "SignatureDoesNotMatch",
                      f"The request signature we calculated does not match ({what}).")

    def check(self, request):
        header = request.headers.get("authorization")
        if header and header.startswith("OSS4-HMAC-SHA256 "):
            return self.check_v4(request, header)
        if header and header.startswith("OSS "):
            return self.check_v1(request, header)
        if "x-oss-signature" in request.params:
            return self.check_v4_url(request)
        if "Signature" in request.params:
            return self.check_v1_url(request)
        raise Refused(403, "AccessDenied", "Anonymous access is forbidden for this operation.")

    # version 4

    def parse_credential(self, credential):
        key_id, date, region, product, end = credential.split("/")
        args = self.store.args
        if (region, product, end) != (args.region, args.product, "aliyun_v4_request"):
            raise Refused(400, "InvalidArgument", "Invalid signing region in Authorization header.")
        return key_id, date

    def expected_v4(self, request, url, key_id, secret, date, additional, as_url, expires=None):
        """The signature by alibabacloud_oss_v2."""
        time_then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        skipped = ("authorization", "x-oss-date", "x-oss-security-token", "x-oss-content-sha256") if not as_url else ()
        signed = HttpRequest(request.method, url,
                             headers={k: v for k, v in request.headers.items() if k.lower() not in skipped})
        token = request.headers.get("x-oss-security-token") or request.params.get("x-oss-security-token")
        context = SigningContext(product=self.store.args.product, region=self.store.args.region, bucket=request.bucket,
                                 key=request.key, request=signed, credentials=Credentials(key_id, secret, token),
                                 signing_time=time_then, additional_headers=set(additional))
        if as_url:
            context.auth_method_query = True
            context.expiration_time = time_then + datetime.timedelta(seconds=expires)
        SignerV4().sign(context)
        if as_url:
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(signed.url).query))["x-oss-signature"]
        return signed.headers["Authorization"].rsplit("Signature=", 1)[1]

    def expected_v4_oss2(self, request, params, key_id, secret, date, additional):
        """The signature by oss2."""
        provider = oss2.credentials.StaticCredentialsProvider(key_id, secret)
        auth = oss2.ProviderAuthV4(provider)
        plain = oss2.http.Request(request.method, "http://x/", params=params, headers=request.headers,
                                  region=self.store.args.region, product=self.store.args.product)
        return auth._ProviderAuthV4__make_signature(plain, request.bucket, request.key or "", set(additional),
                                                    provider.get_credentials(), date)

    def check_v4(self, request, header):
        fields = dict(part.strip().split("=", 1) for part in header.split(" ", 1)[1].split(","))
        date = request.headers.get("x-oss-date", "")
        key_id, day = self.parse_credential(fields["Credential"])
        secret = self.secret(key_id)
        additional = names_of(fields.get("AdditionalHeaders", ""))
        if day != date[:8] or request.headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            self.refuse("x-oss-date or x-oss-content-sha256")
        unsigned = CaseInsensitiveDict(request.headers)
        unsigned.pop("authorization", None)
        plain = request._replace(headers=unsigned)
        for what, expected in (
                ("alibabacloud_oss_v2", self.expected_v4(request, request.url, key_id, secret, date, additional, False)),
                ("oss2", self.expected_v4_oss2(plain, request.params, key_id, secret, date, additional))):
            if expected != fields["Signature"]:
                self.refuse(what)
        self.check_time(datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp())
        self.check_token(request.headers.get("x-oss-security-token"))

    def check_v4_url(self, request):
        params = dict(request.params)
        signature = params.pop("x-oss-signature")
        date, expires = params.get("x-oss-date", ""), int(params.get("x-oss-expires", "0"))
        key_id, _ = self.parse_credential(params.get("x-oss-credential", "////"))
        secret = self.secret(key_id)
        additional = names_of(params.get("x-oss-additional-headers", ""))
        parts = urllib.parse.urlsplit(request.url)
        url = parts._replace(query="&".join(pair for pair in parts.query.split("&")
                                            if not pair.startswith("x-oss-signature="))).geturl()
        for what, expected in (
                ("alibabacloud_oss_v2", self.expected_v4(request, url, key_id, secret, date, additional, True, expires)),
                ("oss2", self.expected_v4_oss2(request, params, key_id, secret, date, additional))):
            if expected != signature:
                self.refuse(what)
        begin = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if not 0 < expires <= 604800 or self.store.now() > begin + expires:
            raise Refused(403, "AccessDenied", "Request has expired.")
        self.check_token(params.get("x-oss-security-token"))

    # version 1

    def expected_v1(self, request, key_id, secret, date):
        provider = oss2.credentials.StaticCredentialsProvider(key_id, secret)
        headers = CaseInsensitiveDict(request.headers)
        headers["date"] = date
        plain = oss2.http.Request(request.method, "http://x/", params=request.params, headers=headers)
        return oss2.ProviderAuth(provider)._ProviderAuth__make_signature(plain, request.bucket, request.key or "",
                                                                        provider.get_credentials())

    def check_v1(self, request, header):
        key_id, signature = header[4:].split(":", 1)
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        if self.expected_v1(request, key_id, self.secret(key_id), date) != signature:
            self.refuse("oss2, version 1")
        self.check_time(email.utils.parsedate_to_datetime(date).timestamp())
        self.check_token(request.headers.get("x-oss-security-token"))

    def check_v1_url(self, request):
        params = request.params
        key_id, expires = params.get("OSSAccessKeyId", ""), params.get("Expires", "0")
        if self.expected_v1(request, key_id, self.secret(key_id), expires) != params["Signature"]:
            self.refuse("oss2, version 1 URL")
        if self.store.now() > int(expires):
            raise Refused(403, "AccessDenied", "Request has expired.")
        self.check_token(params.get("security-token"))


Request = collections.namedtuple("Request", "method url bucket key params headers")


# --- answers as XML ---

def element(name, text):
    return f"<{name}>{escape(str(text))}</{name}>"


def iso(unix_s):
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def document(root, *parts):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + f"<{root}>" + "".join(parts) + f"</{root}>").encode(
        "utf-8", "surrogateescape")


def raw(key):
    return key.encode("utf-8", "surrogateescape")


def parse_xml(body):
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise Refused(400, "MalformedXML", "The XML you provided was not well-formed.") from None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AliyunOSS"
    sys_version = ""
    rbufsize = 256 * KIB
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
                        ("query" in fault and fault["query"] not in request.params):
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
        if self.body_left and (self.wants_continue or self.body_left > 4 * MIB):
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

    # --- operations ---

    def dispatch(self, request):
        names = request.params
        if request.key is not None and (request.key[0] in "/\\" or len(raw(request.key)) > 1023):
            raise Refused(400, "InvalidObjectName", "The specified object is not valid.")
        if request.key is None:
            return self.dispatch_bucket(request)
        if request.method == "PUT" and "uploadId" in names:
            return self.put_part(request)
        if request.method == "PUT" and "tagging" in names:
            return self.put_tags(request)
        if request.method == "PUT":
            return self.put_object(request)
        if request.method == "POST" and "uploads" in names:
            return self.begin(request)
        if request.method == "POST" and "uploadId" in names:
            return self.complete(request)
        if request.method == "POST" and "restore" in names:
            return self.restore(request)
        if request.method == "DELETE" and "uploadId" in names:
            return self.abort(request)
        if request.method == "DELETE" and "tagging" in names:
            self.get(request.key).tags = []
            return self.answer(204)
        if request.method == "DELETE":
            with self.store.lock:
                self.store.objects.pop(request.key, None)
            return self.answer(204)
        if request.method == "GET" and "uploadId" in names:
            return self.list_parts(request)
        if request.method == "GET" and "tagging" in names:
            return self.get_tags(request)
        if request.method in ("GET", "HEAD"):
            return self.get_object(request)
        raise Refused(405, "MethodNotAllowed")

    def dispatch_bucket(self, request):
        names = request.params
        if request.method == "POST" and "delete" in names:
            return self.delete_many(request)
        if "lifecycle" in names:
            return self.do_lifecycle(request)
        if request.method == "GET" and "uploads" in names:
            return self.list_uploads(request)
        if request.method == "GET" and ("list-type" in names or not names or "prefix" in names or "max-keys" in names):
            return self.list_objects(request)
        raise Refused(405, "MethodNotAllowed")

    def get(self, key):
        with self.store.lock:
            if key not in self.store.objects:
                raise Refused(404, "NoSuchKey", "The specified key does not exist.")
            return self.store.objects[key]

    def check_forbid(self, request):
        if request.headers.get("x-oss-forbid-overwrite") == "true" and request.key in self.store.objects:
            raise Refused(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")

    def kept_headers(self, request):
        kept = {name.lower(): value for name, value in request.headers.items()
                if name.lower().startswith("x-oss-meta-") or
                name.lower() in ("content-type", "cache-control", "content-disposition", "x-oss-storage-class",
                                 "x-oss-server-side-encryption", "x-oss-server-side-encryption-key-id",
                                 "x-oss-server-side-data-encryption")}
        if kept.get("x-oss-storage-class", "Standard") not in CLASSES:
            raise Refused(400, "InvalidArgument", "invalid storage class")
        if kept.get("x-oss-server-side-encryption", "AES256") not in ("AES256", "KMS", "SM4"):
            raise Refused(400, "InvalidEncryptionAlgorithmError")
        kept.setdefault("content-type", "application/octet-stream")
        return kept

    def header_tags(self, request):
        text = request.headers.get("x-oss-tagging")
        return urllib.parse.parse_qsl(text, keep_blank_values=True) if text else []

    def take_body(self, request):
        """Check Content-MD5, store; returns a part."""
        wanted = request.headers.get("content-md5")
        if "uploadId" not in request.params and self.body_left > 5 * 1024 * MIB:
            raise Refused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        is_part = "uploadId" in request.params
        path, size, crc, md5 = self.store_body(with_md5=bool(wanted) or not is_part)
        if wanted and base64.b64encode(md5).decode() != wanted:
            os.unlink(path)
            raise Refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        etag = f'"{md5.hex().upper()}"' if md5 else f'"{uuid.uuid4().hex.upper()}"'
        return Object([(path, size)], size, crc, etag)

    def put_object(self, request):
        self.check_forbid(request)
        if "x-oss-copy-source" in request.headers:
            return self.copy_object(request)
        stored = self.take_body(request)
        stored.headers = self.kept_headers(request)
        stored.tags = self.header_tags(request)
        self.check_forbid(request)
        with self.store.lock:
            self.store.objects[request.key] = stored
        return self.answer(200, headers=[("etag", stored.etag), ("x-oss-hash-crc64ecma", stored.crc)])

    def copy_source(self, request):
        source = urllib.parse.unquote(request.headers["x-oss-copy-source"], errors="surrogateescape").lstrip("/")
        bucket, _, key = source.partition("/")
        if bucket != self.store.args.bucket:
            raise Refused(404, "NoSuchBucket")
        found = self.get(key)
        if found.storage_class in ARCHIVED and found.restore_left != 0:
            raise Refused(403, "InvalidObjectState", "The operation is not valid for the object's state")
        if request.headers.get("x-oss-copy-source-if-match", found.etag) != found.etag:
            raise Refused(412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")
        return found

    def copy_object(self, request):
        source = self.copy_source(request)
        copy = Object(list(source.segments), source.size, source.crc, source.etag)
        replace = request.headers.get("x-oss-metadata-directive", "COPY").upper() == "REPLACE"
        copy.headers = self.kept_headers(request) if replace else dict(source.headers)
        if not replace:
            copy.headers.pop("x-oss-storage-class", None)
        if "x-oss-storage-class" in request.headers:
            copy.headers["x-oss-storage-class"] = request.headers["x-oss-storage-class"]
        replace_tags = request.headers.get("x-oss-tagging-directive", "Copy").lower() == "replace"
        copy.tags = self.header_tags(request) if replace_tags else list(source.tags)
        with self.store.lock:
            self.store.objects[request.key] = copy
        return self.answer(200, document("CopyObjectResult", element("LastModified", iso(copy.mtime)),
                                         element("ETag", copy.etag)),
                           headers=[("x-oss-hash-crc64ecma", copy.crc)])

    # --- multipart ---

    def begin(self, request):
        self.check_forbid(request)
        upload_id = uuid.uuid4().hex.upper()
        with self.store.lock:
            self.store.uploads[upload_id] = {"key": request.key, "parts": {}, "began": time.time(),
                                             "headers": self.kept_headers(request), "tags": self.header_tags(request)}
        encoded = request.params.get("encoding-type") == "url"
        key = urllib.parse.quote(raw(request.key)) if encoded else request.key
        return self.answer(200, document("InitiateMultipartUploadResult", element("Bucket", request.bucket),
                                         element("EncodingType", "url") if encoded else "",
                                         element("Key", key), element("UploadId", upload_id)))

    def upload_of(self, request):
        with self.store.lock:
            upload = self.store.uploads.get(request.params["uploadId"])
        if upload is None or upload["key"] != request.key:
            raise Refused(404, "NoSuchUpload",
                          "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
                          "been aborted or completed.")
        return upload

    def put_part(self, request):
        upload = self.upload_of(request)
        number = int(request.params.get("partNumber", "0"))
        if not 1 <= number <= 10000:
            raise Refused(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.")
        if "x-oss-copy-source" in request.headers:
            return self.copy_part(request, upload, number)
        part = self.take_body(request)
        with self.store.lock:
            replaced = upload["parts"].get(number)
            upload["parts"][number] = part
        if replaced:
            os.unlink(replaced.segments[0][0])
        return self.answer(200, headers=[("etag", part.etag), ("x-oss-hash-crc64ecma", part.crc)])

    def copy_part(self, request, upload, number):
        source = self.copy_source(request)
        text = request.headers.get("x-oss-copy-source-range", f"bytes=0-{source.size - 1}")
        first, _, last = text.removeprefix("bytes=").partition("-")
        path, crc, left = self.store.new_file(), new_crc(), int(last) - int(first) + 1
        with open(path, "wb") as file:
            for block in self.read_segments(source, int(first), left):
                crc.update(block)
                file.write(block)
        part = Object([(path, left)], left, crc.crcValue, f'"{uuid.uuid4().hex.upper()}"')
        with self.store.lock:
            upload["parts"][number] = part
        return self.answer(200, document("CopyPartResult", element("LastModified", iso(part.mtime)),
                                         element("ETag", part.etag)),
                           headers=[("x-oss-hash-crc64ecma", part.crc)])

    def wanted_parts(self, request, upload):
        root = parse_xml(self.read_all())
        wanted = [(int(part.findtext("PartNumber")), part.findtext("ETag")) for part in root.iter("Part")]
        if not wanted:
            raise Refused(400, "MalformedXML")
        if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
            raise Refused(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        for index, (number, etag) in enumerate(wanted):
            part = upload["parts"].get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart", "One or more of the specified parts could not be found.")
            if part.size < PART_SIZE_MIN and index + 1 < len(wanted):
                raise Refused(400, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size.")
        return [upload["parts"][number] for number, _ in wanted]

    def complete(self, request):
        upload = self.upload_of(request)
        self.check_forbid(request)
        parts = self.wanted_parts(request, upload)
        crc, size, segments = parts[0].crc, parts[0].size, list(parts[0].segments)
        for part in parts[1:]:
            crc = COMBINE(crc, part.crc, part.size)
            size += part.size
            segments += part.segments
        etag = f'"{hashlib.md5(b"".join(p.etag.encode() for p in parts)).hexdigest().upper()}-{len(parts)}"'
        whole = Object(segments, size, crc, etag, upload["headers"])
        whole.tags, whole.is_multipart = upload["tags"], True
        with self.store.lock:
            self.store.objects[request.key] = whole
            del self.store.uploads[request.params["uploadId"]]
        return self.answer(200, document("CompleteMultipartUploadResult", element("Location", self.path),
                                         element("Bucket", request.bucket), element("Key", request.key),
                                         element("ETag", etag)),
                           headers=[("x-oss-hash-crc64ecma", crc)])

    def abort(self, request):
        upload = self.upload_of(request)
        with self.store.lock:
            del self.store.uploads[request.params["uploadId"]]
        for part in upload["parts"].values():
            os.unlink(part.segments[0][0])
        return self.answer(204)

    def list_parts(self, request):
        upload = self.upload_of(request)
        marker, count = int(request.params.get("part-number-marker", "0")), int(request.params.get("max-parts", "1000"))
        numbers = sorted(number for number in upload["parts"] if number > marker)
        page = numbers[:count]
        parts = [f"<Part>{element('PartNumber', n)}{element('LastModified', iso(upload['parts'][n].mtime))}"
                 f"{element('ETag', upload['parts'][n].etag)}{element('HashCrc64ecma', upload['parts'][n].crc)}"
                 f"{element('Size', upload['parts'][n].size)}</Part>" for n in page]
        return self.answer(200, document("ListPartsResult", element("Bucket", request.bucket),
                                         element("UploadId", request.params["uploadId"]),
                                         element("NextPartNumberMarker", page[-1] if page else 0),
                                         element("MaxParts", count),
                                         element("IsTruncated", str(len(page) < len(numbers)).lower()), *parts))

    # --- objects ---

    def read_segments(self, stored, first, left):
        for path, size in stored.segments:
            if first >= size:
                first -= size
                continue
            with open(path, "rb") as file:
                file.seek(first)
                inside = min(left, size - first)
                left -= inside
                first = 0
                while inside:
                    block = file.read(min(inside, BLOCK))
                    inside -= len(block)
                    yield block
            if left == 0:
                return

    def info_headers(self, stored):
        headers = [("etag", stored.etag), ("last-modified", email.utils.formatdate(stored.mtime, usegmt=True)),
                   ("accept-ranges", "bytes"), ("x-oss-object-type", "Multipart" if stored.is_multipart else "Normal"),
                   ("x-oss-hash-crc64ecma", stored.crc), ("x-oss-storage-class", stored.storage_class)]
        if stored.restore_left is not None:
            expiry = email.utils.formatdate(self.store.now() + 86400, usegmt=True)
            headers.append(("x-oss-restore", 'ongoing-request="true"' if stored.restore_left else
                            f'ongoing-request="false", expiry-date="{expiry}"'))
        if stored.tags:
            headers.append(("x-oss-tagging-count", len(stored.tags)))
        return headers + [(k, v) for k, v in stored.headers.items() if k != "x-oss-storage-class"]

    def parse_range(self, request, stored):
        text = request.headers.get("range", "")
        if not text.startswith("bytes="):
            return 0, stored.size - 1, False
        first, _, last = text[6:].partition("-")
        if first == "":
            first, last = max(stored.size - int(last), 0), stored.size - 1
        first, last = int(first), int(last) if last not in ("", None) else stored.size - 1
        if request.headers.get("x-oss-range-behavior") != "standard" and (first >= stored.size or last >= stored.size):
            return 0, stored.size - 1, False  # as OSS documents it: the whole object
        if first >= stored.size:
            raise Refused(416, "InvalidRange", "The requested range cannot be satisfied.")
        return first, min(last, stored.size - 1), True

    def get_object(self, request):
        stored = self.get(request.key)
        if request.headers.get("if-match", stored.etag).strip('"') != stored.etag.strip('"'):
            raise Refused(412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")
        if request.method == "HEAD" and stored.restore_left:
            headers = self.info_headers(stored)
            stored.restore_left -= 1
        else:
            headers = self.info_headers(stored)
        if request.method == "GET" and stored.storage_class in ARCHIVED and stored.restore_left != 0:
            raise Refused(403, "InvalidObjectState", "The operation is not valid for the object's state")
        first, last, partial = self.parse_range(request, stored)
        length = last - first + 1
        self.drain()
        self.send_response(206 if partial else 200)
        self.send_header("x-oss-request-id", uuid.uuid4().hex[:24].upper())
        for name, value in headers:
            if name == "x-oss-hash-crc64ecma":
                if self.change_crc() is None:
                    continue
                value ^= self.change_crc()
            self.send_header(name, str(value))
        if partial:
            self.send_header("content-range", f"bytes {first}-{last}/{stored.size}")
        self.send_header("content-length", str(length))
        self.end_headers()
        if request.method == "HEAD":
            return
        if (self.fault or {}).get("kind") == "cut":
            length //= 2
            self.close_connection = True
        if length:
            for block in self.read_segments(stored, first, length):
                self.wfile.write(block)

    def restore(self, request):
        stored = self.get(request.key)
        body = self.read_all()
        if body:
            root = parse_xml(body)
            if int(root.findtext("Days", "1")) < 1:
                raise Refused(400, "InvalidArgument")
            tier = root.findtext("JobParameters/Tier")
            if tier is not None and (stored.storage_class == "Archive" or tier not in ("Expedited", "Standard", "Bulk")):
                raise Refused(400, "MalformedXML", "JobParameters are for ColdArchive and DeepColdArchive.")
        if stored.storage_class not in ARCHIVED:
            raise Refused(400, "OperationNotSupported", "The operation is not supported for this resource")
        if stored.restore_left:
            raise Refused(409, "RestoreAlreadyInProgress", "The restore operation is in progress.")
        status = 200 if stored.restore_left == 0 else 202
        if status == 202:
            stored.restore_left = 1
        return self.answer(status)

    def put_tags(self, request):
        root = parse_xml(self.read_all())
        tags = [(tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in root.iter("Tag")]
        if len(tags) > 10 or any(not key for key, _ in tags):
            raise Refused(400, "InvalidTag", "The tag is invalid.")
        self.get(request.key).tags = tags
        return self.answer(200)

    def get_tags(self, request):
        tags = "".join(f"<Tag>{element('Key', k)}{element('Value', v)}</Tag>" for k, v in self.get(request.key).tags)
        return self.answer(200, document("Tagging", f"<TagSet>{tags}</TagSet>"))

    # --- the bucket ---

    def delete_many(self, request):
        body = self.read_all()
        wanted = request.headers.get("content-md5")
        if not wanted:
            raise Refused(400, "MissingArgument", "Missing Some Required Arguments: Content-MD5.")
        if base64.b64encode(hashlib.md5(body).digest()).decode() != wanted:
            raise Refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        root = parse_xml(body)
        keys = [item.findtext("Key") or "" for item in root.iter("Object")]
        if not 0 < len(keys) <= 1000 or "" in keys:
            raise Refused(400, "MalformedXML")
        encoded = request.params.get("encoding-type") == "url"
        kept = (self.fault or {}).get("keep", [])
        deleted = []
        with self.store.lock:
            for key in keys:
                if key not in kept:
                    self.store.objects.pop(key, None)
                    deleted.append(key)
        if root.findtext("Quiet", "false") == "true":
            deleted = kept
        parts = [f"<Deleted>{element('Key', urllib.parse.quote(raw(k)) if encoded else k)}</Deleted>" for k in deleted]
        return self.answer(200, document("DeleteResult", element("EncodingType", "url") if encoded else "", *parts))

    def do_lifecycle(self, request):
        if request.method == "PUT":
            body = self.read_all()
            root = parse_xml(body)
            rules = root.findall("Rule")
            if root.tag != "LifecycleConfiguration" or not 0 < len(rules) <= 1000 or \
                    any(rule.find("Status") is None or rule.find("Prefix") is None for rule in rules):
                raise Refused(400, "MalformedXML")
            self.store.lifecycle = body
            return self.answer(200)
        if request.method == "DELETE":
            self.store.lifecycle = None
            return self.answer(204)
        if self.store.lifecycle is None:
            raise Refused(404, "NoSuchLifecycle", "No Row found in Lifecycle Table.")
        return self.answer(200, self.store.lifecycle)

    def list_objects(self, request):
        params = request.params
        is_v2 = params.get("list-type") == "2"
        prefix, delimiter = params.get("prefix", ""), params.get("delimiter", "")
        count = int(params.get("max-keys", "100"))
        if not 0 < count <= 1000:
            raise Refused(400, "InvalidArgument", "max-keys")
        encoded = params.get("encoding-type") == "url"
        if is_v2 and params.get("continuation-token"):
            after = base64.b64decode(params["continuation-token"])
        else:
            after = raw(params.get("start-after" if is_v2 else "marker", ""))
        name = (lambda key: urllib.parse.quote(key, safe="")) if encoded else (
            lambda key: key.decode("utf-8", "surrogateescape"))
        with self.store.lock:
            objects = {raw(key): value for key, value in self.store.objects.items()}
        keys = sorted(key for key in objects if key.startswith(raw(prefix)) and key > after)
        entries, prefixes, last, truncated = [], [], b"", False
        for key in keys:
            cut = key.find(raw(delimiter), len(raw(prefix))) if delimiter else -1
            group = key[:cut + len(raw(delimiter))] if cut >= 0 else None
            if group is not None and (group in prefixes or group == after):
                last = key
                continue
            if len(entries) + len(prefixes) == count:
                truncated = True
                break
            last = key
            if group is not None:
                prefixes.append(group)
            else:
                entries.append(key)
        parts = [f"<Contents>{element('Key', name(key))}{element('LastModified', iso(objects[key].mtime))}"
                 f"{element('ETag', objects[key].etag)}<Type>Normal</Type>{element('Size', objects[key].size)}"
                 f"{element('StorageClass', objects[key].storage_class)}</Contents>" for key in entries]
        parts += [f"<CommonPrefixes>{element('Prefix', name(group))}</CommonPrefixes>" for group in prefixes]
        if truncated:
            token = base64.b64encode(last).decode() if is_v2 else last.decode("utf-8", "surrogateescape")
            token = urllib.parse.quote(token, safe="") if encoded else token
            parts.append(element("NextContinuationToken" if is_v2 else "NextMarker", token))
        return self.answer(200, document("ListBucketResult", element("Name", request.bucket),
                                         element("Prefix", name(raw(prefix))), element("MaxKeys", count),
                                         element("EncodingType", "url") if encoded else "",
                                         element("IsTruncated", str(truncated).lower()), *parts))

    def list_uploads(self, request):
        params = request.params
        encoded = params.get("encoding-type") == "url"
        name = (lambda key: urllib.parse.quote(raw(key), safe="")) if encoded else str
        count = int(params.get("max-uploads", "1000"))
        marker = (raw(params.get("key-marker", "")), params.get("upload-id-marker", ""))
        with self.store.lock:
            found = sorted((raw(upload["key"]), upload_id, upload) for upload_id, upload in self.store.uploads.items()
                           if upload["key"].startswith(params.get("prefix", "")))
        found = [item for item in found
                 if (item[:2] > marker if marker[1] else item[0] > marker[0] or not marker[0])]
        page = found[:count]
        parts = [f"<Upload>{element('Key', name(upload['key']))}{element('UploadId', upload_id)}"
                 f"{element('StorageClass', 'Standard')}{element('Initiated', iso(upload['began']))}</Upload>"
                 for _, upload_id, upload in page]
        last = page[-1] if len(page) < len(found) else (b"", "", {"key": ""})
        parts += [element("NextKeyMarker", name(last[2]["key"])), element("NextUploadIdMarker", last[1])]
        return self.answer(200, document("ListMultipartUploadsResult", element("Bucket", request.bucket),
                                         element("EncodingType", "url") if encoded else "",
                                         element("MaxUploads", count),
                                         element("IsTruncated", str(len(page) < len(found)).lower()), *parts))


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
