"""A double of S3, STS and the places that give credentials, on 127.0.0.1, with botocore as the judge of signatures.

Every S3 and AssumeRole request is signed anew by botocore (S3SigV4Auth, SigV4Auth); another signature is refused. A set
of credentials that was given out is good for `uses` requests to S3, or until its Expiration: after that it answers
ExpiredToken, as AWS does in the middle of an upload. What was given out is kept, so that a test can look for it where it
must not be. The answers are those of AWS's documents: "Container credential provider", IMDSv2, STS API reference.
"""
import datetime
import hashlib
import http.server
import itertools
import json
import re
import threading
import time
import urllib.parse

from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BASE = ("AKIDBASE", "base-secret-hunter2", None)
POD_TOKEN = "pod-token-hunter2"
JWT = "header.hunter2.signature"
ALIYUN_BASE = ("LTAIBASE", "aliyun-base-hunter2")


class Double:
    def __init__(self, uses=3, life_s=3600, part_delay_s=0):
        self.uses, self.life_s, self.part_delay_s = uses, life_s, part_delay_s
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.given = {}  # access key -> [secret, token, uses left, end]
        self.objects, self.parts = {}, {}
        self.count = {"given": 0, "expired": 0, "wrong": 0, "parts": 0, "sts": 0}
        self.wrong = []
        self.aliyun_token = lambda token: None  # called with each token that is given for OSS
        self.aliyun_current = None
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                # As AWS does: whether the set is still good is seen with the head, not after a slow body.
                self.has_ended = double.has_ended(self)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    double.serve(self, body)
                except ConnectionError:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # --- giving ---

    def give(self):
        """A new set: access key, secret, token, end."""
        with self.lock:
            number = next(self.numbers)
            self.count["given"] += 1
            end = time.time() + self.life_s
            key, secret, token = f"ASIA{number:06}", f"secret-{number}-hunter2", f"token-{number}-hunter2/+=="
            self.given[key] = [secret, token, self.uses, end]
        text = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return key, secret, token, text

    def give_aliyun(self):
        """For OSS: the double there takes the last token only."""
        with self.lock:
            self.count["given"] += 1
            self.aliyun_current = f"oss-token-{next(self.numbers)}-hunter2"
            self.aliyun_token(self.aliyun_current)
            end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            return {"Code": "Success", "AccessKeyId": "STS.KEY", "AccessKeySecret": "sts-secret-hunter2",
                    "SecurityToken": self.aliyun_current, "Expiration": end}

    def secrets(self):
        found = [BASE[1], POD_TOKEN, JWT, ALIYUN_BASE[1], "sts-secret-hunter2", "hunter2"]
        return found + [text for secret, token, _, _ in self.given.values() for text in (secret, token)]

    # --- serving ---

    def answer(self, handler, status, body=b"", kind="application/xml", **headers):
        body = body.encode() if isinstance(body, str) else body
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def error(self, handler, status, code):
        self.answer(handler, status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def serve(self, handler, body):
        path, _, query = handler.path.partition("?")
        if path == "/container":
            if handler.headers.get("authorization") != POD_TOKEN:
                return self.answer(handler, 401, '{"code":"Unauthorized","message":"wrong token"}')
            return self.answer(handler, 200, self.metadata_json(), "application/json")
        if path.startswith("/latest/"):
            return self.metadata(handler, path)
        if path == "/aliyun-uri":
            return self.answer(handler, 200, json.dumps(self.give_aliyun()), "application/json")
        if path == "/process":
            key, secret, token, end = self.give()
            return self.answer(handler, 200, json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret,
                                                         "SessionToken": token, "Expiration": end}))
        if path == "/" and handler.command == "POST":
            return self.sts(handler, query, body)
        return self.s3(handler, path, query, body)

    def metadata_json(self):
        key, secret, token, end = self.give()
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": secret,
                           "Token": token, "Expiration": end})

    def metadata(self, handler, path):
        aliyun = "/ram/" in path
        name = "x-aliyun-ecs-metadata-token" if aliyun else "x-aws-ec2-metadata-token"
        if path == "/latest/api/token" and handler.command == "PUT":
            return self.answer(handler, 200, "imds-session", "text/plain")
        if handler.headers.get(name) != "imds-session":
            return self.answer(handler, 401)
        if path.endswith("/security-credentials/"):
            return self.answer(handler, 200, "the-role", "text/plain")
        return self.answer(handler, 200, json.dumps(self.give_aliyun()) if aliyun else self.metadata_json(),
                           "application/json")

    # --- STS ---

    def sts(self, handler, query, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        asked = dict(urllib.parse.parse_qsl(query))
        self.count["sts"] += 1
        if "Action" in asked:
            return self.aliyun_sts(handler, asked, form)
        action = form["Action"]
        if action == "AssumeRoleWithWebIdentity":
            good = form["WebIdentityToken"] == JWT and "authorization" not in handler.headers
        else:
            good = self.is_signed(handler, body, "sts", BASE)
        if not good:
            return self.answer(handler, 403, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>no"
                                             "</Message></Error></ErrorResponse>")
        key, secret, token, end = self.give()
        return self.answer(handler, 200,
                           f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result>"
                           f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                           f"<SessionToken>{token}</SessionToken><Expiration>{end}</Expiration></Credentials>"
                           f"</{action}Result></{action}Response>")

    def aliyun_sts(self, handler, asked, form):
        if asked["Action"] == "AssumeRoleWithOIDC":
            good = form["OIDCToken"] == JWT and form["OIDCProviderArn"] and "Signature" not in asked
        else:
            good = self.is_rpc_signed(asked, form)
        if not good:
            return self.answer(handler, 403, '{"Code":"SignatureDoesNotMatch","Message":"no"}', "application/json")
        keys = self.give_aliyun()
        return self.answer(handler, 200, json.dumps({"RequestId": "1", "Credentials": keys}), "application/json")

    @staticmethod
    def is_rpc_signed(asked, form):
        """By Aliyun's own SDK."""
        compose = getattr(rpc_signature_composer, "__compose_string_to_sign")
        signed = {name: value for name, value in asked.items() if name != "Signature"}
        text = compose("POST", {**signed, **form})
        return (asked["AccessKeyId"] == ALIYUN_BASE[0] and
                sha_hmac1.get_sign_string(text, ALIYUN_BASE[1] + "&") == asked["Signature"])

    # --- S3 ---

    def is_signed(self, handler, body, service, keys):
        """Whether botocore would have signed it the same way."""
        match = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/(\w+)/aws4_request, SignedHeaders=([^,]+), "
                         r"Signature=(\w+)$", handler.headers.get("authorization", ""))
        if not match or match[3] != service or match[1] != keys[0]:
            return False
        names = match[4].split(";")
        headers = {name: handler.headers[name] for name in names}
        request = AWSRequest(handler.command, self.url + handler.path, headers=headers, data=body)
        request.context["timestamp"] = handler.headers["x-amz-date"]
        request.context["payload_signing_enabled"] = True
        auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(*keys), service, match[2])
        # botocore wants the query split off, in the order in which it came.
        request.params = urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query, keep_blank_values=True)
        request.url = self.url + handler.path.partition("?")[0]
        text = auth.string_to_sign(request, auth.canonical_request(request))
        good = auth.signature(text, request) == match[5] and "x-amz-date" in names
        if keys[2]:
            good = good and headers.get("x-amz-security-token") == keys[2]
        if service == "s3":
            declared = handler.headers["x-amz-content-sha256"]
            good = good and declared in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest())
        return good

    def held_of(self, handler):
        match = re.search(r"Credential=([^/]+)/", handler.headers.get("authorization", ""))
        return match, self.given.get(match[1]) if match else None

    def has_ended(self, handler):
        _, held = self.held_of(handler)
        if not held:
            return False
        with self.lock:
            held[2] -= 1
            return held[2] < 0 or time.time() > held[3]

    def admit(self, handler, body):
        """None, or the error to answer."""
        match, held = self.held_of(handler)
        if not held:
            return 403, "InvalidAccessKeyId"
        if not self.is_signed(handler, body, "s3", (match[1], held[0], held[1])):
            self.count["wrong"] += 1
            self.wrong.append((handler.command, handler.path, str(handler.headers)))
            return 403, "SignatureDoesNotMatch"
        if handler.has_ended:
            with self.lock:
                self.count["expired"] += 1
            return 400, "ExpiredToken"
        return None

    def s3(self, handler, path, query, body):
        refusal = self.admit(handler, body)
        key = urllib.parse.unquote(path)
        asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        checksum = {"x-amz-checksum-crc64nvme": handler.headers.get("x-amz-checksum-crc64nvme")}
        headers = {name: value for name, value in checksum.items() if value}
        if refusal:
            return self.error(handler, *refusal)
        if handler.command == "HEAD":
            return self.answer(handler, 200 if key in self.objects else 404)
        if "uploads" in asked and handler.command == "POST":
            self.parts[key] = {}
            return self.answer(handler, 200, "<InitiateMultipartUploadResult><UploadId>U1</UploadId>"
                                             "</InitiateMultipartUploadResult>")
        if "uploads" in asked:
            return self.answer(handler, 200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
                                             "</ListMultipartUploadsResult>")
        if "partNumber" in asked:
            time.sleep(self.part_delay_s)
            self.parts[key][int(asked["partNumber"])] = body
            self.count["parts"] += 1
            return self.answer(handler, 200, ETag=f'"{hashlib.md5(body).hexdigest()}"', **headers)
        if "uploadId" in asked and handler.command == "POST":
            self.objects[key] = b"".join(part for _, part in sorted(self.parts[key].items()))
            return self.answer(handler, 200, '<CompleteMultipartUploadResult><ETag>"e-1"</ETag>'
                                             "</CompleteMultipartUploadResult>")
        if handler.command == "PUT":
            self.objects[key] = body
            return self.answer(handler, 200, ETag=f'"{hashlib.md5(body).hexdigest()}"', **headers)
        return self.error(handler, 501, "NotImplemented")
