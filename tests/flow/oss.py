#!/usr/bin/env python3
"""oss:// against the double: signatures judged by Aliyun's SDKs, what oss2 reads of it, each error, each fault.

Run by purser-test-python. What is stored is read back by Aliyun's own client (oss2)."""
import base64
import hashlib
import json
import urllib.error
import urllib.request

import oss2

from rig import MIB, Rig, sha256

SMALL_PARTS = ("--part-size", "100KiB", "--threshold", "100KiB")
ODD_KEYS = ["plain", "a b", "a+b", "a%41b", "a//b", "a/../b", "./x", "\N{GRINNING FACE}/\u00e9", "q?x=1&y#z", "~!*'();:@$,[]"]


def order(rig, path, **what):
    request = urllib.request.Request(f"{rig.endpoint}/-/{path}", json.dumps(what).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def seen(rig):
    """The requests since the last call."""
    return [json.loads(line) for line in order(rig, "log").splitlines()]


def with_env(rig, env, run):
    saved = dict(rig.env)
    rig.env.update(env)
    try:
        return run()
    finally:
        rig.env = saved


def config(rig, text):
    path = rig.dir / "purser.yaml"
    path.write_text("stores:\n  oss:\n    url: oss://bkt\n" + "".join(f"    {line}\n" for line in text))
    return ["--config", path]


def refuses(rig, expect, words, *args, env=None):
    _, err = with_env(rig, env or {}, lambda: rig.run(*args, expect=expect))
    lines = [line for line in err.splitlines() if line.startswith("purser: ")]
    assert len(lines) == 1, f"{args}: not one line: {err}"
    for word in words:
        assert word in lines[0], f"{args}: `{word}` is not in: {lines[0]}"
    assert "testsecret123" not in err
    print(f"ok  exit {expect}: {lines[0]}")
    return lines[0]


# --- the double itself: what it must refuse ---

def the_double_refuses(rig):
    bucket = rig.oss2_bucket()
    for version in ("v1", "v4"):
        wrong = oss2.Bucket(oss2.make_auth("testkey123", "wrong", version), rig.endpoint, "bkt", region="cn-hangzhou")
        for call in (lambda: wrong.put_object("x", b"1"), lambda: wrong.get_object("x"), wrong.get_bucket_lifecycle):
            try:
                call()
                raise AssertionError("a wrong secret was taken")
            except oss2.exceptions.ServerError as error:
                assert error.code == "SignatureDoesNotMatch", error
    body = b"<Delete><Object><Key>x</Key></Object></Delete>"
    for headers, code in (({}, "MissingArgument"),
                          ({"content-md5": base64.b64encode(hashlib.md5(b"").digest()).decode()}, "InvalidDigest")):
        try:
            bucket._Bucket__do_bucket("POST", data=body, params={"delete": ""}, headers=headers)
            raise AssertionError("?delete without its MD5 was taken")
        except oss2.exceptions.ServerError as error:
            assert error.code == code, error
    seen(rig)
    print("ok  the double refuses wrong signatures, and ?delete without Content-MD5")


# --- objects both ways ---

def odd_keys(rig, flags=(), version="v4"):
    bucket = rig.oss2_bucket(version)
    source = rig.source("odd", 4321)
    for key in ODD_KEYS:
        rig.run("put", "-q", source, rig.url(key), *flags)
        result = bucket.get_object(key)
        assert result.read() == source.read_bytes(), key
        assert int(result.headers["x-oss-hash-crc64ecma"]) == result.client_crc, key
        dest = rig.dir / "odd-back"
        rig.run("get", "-q", rig.url(key), dest, *flags)
        assert dest.read_bytes() == source.read_bytes(), key
        dest.unlink()
    names = [entry.key for entry in oss2.ObjectIteratorV2(bucket)]
    assert sorted(names) == sorted(ODD_KEYS), names
    out, _ = rig.run("ls", "-r", rig.url(""), "--json", *flags)
    assert sorted(json.loads(line)["key"] for line in out.splitlines() if '"key"' in line) == sorted(ODD_KEYS), out
    rig.run("rm", "-q", "-r", rig.url(""), *flags)
    assert list(oss2.ObjectIteratorV2(bucket)) == []


def signatures(rig):
    odd_keys(rig)
    assert {entry["signature"] for entry in seen(rig) if entry["headers"]["user-agent"].startswith("purser")} == {
        "OSS4-HMAC-SHA256"}
    odd_keys(rig, config(rig, ["signature: v1"]), "v1")
    assert {entry["signature"] for entry in seen(rig) if entry["headers"]["user-agent"].startswith("purser")} == {"OSS"}
    rig.run("ls", rig.url(""), "--signature", "v1")
    assert seen(rig)[-1]["signature"] == "OSS"
    refuses(rig, 2, ["signature 'v9'", "v4"], "ls", rig.url(""), "--signature", "v9")
    refuses(rig, 2, ["network 'moon'", "accelerate"], "ls", rig.url(""), "--network", "moon")
    refuses(rig, 2, ["--stall-timeout soon"], "ls", rig.url(""), "--stall-timeout", "soon")
    by_name = rig.endpoint.replace("127.0.0.1", "oss.localhost")
    source = rig.source("small", 1000)
    with_env(rig, {"OSS_ENDPOINT": by_name}, lambda: rig.run("put", "-q", source, rig.url("virtual")))
    assert seen(rig)[-1]["host"].startswith("bkt.oss.localhost"), "no virtual host"
    with_env(rig, {"OSS_ENDPOINT": by_name}, lambda: rig.run("put", "-q", source, rig.url("virtual"),
                                                            *config(rig, ["signature: v1"])))
    order(rig, "state", token="sts-token/+=")
    for flags in ([], config(rig, ["signature: v1"])):
        with_env(rig, {"OSS_SESSION_TOKEN": "sts-token/+="},
                 lambda: rig.run("put", "-q", source, rig.url("sts"), *flags))
        refuses(rig, 4, ["SecurityTokenExpired", "renew"], "put", source, rig.url("sts"), *flags,
                env={"OSS_SESSION_TOKEN": "expired"})
        refuses(rig, 4, ["InvalidSecurityToken"], "put", source, rig.url("sts"), *flags)
    order(rig, "state", token=None, region="cb-123", product="oss-cloudbox")
    with_env(rig, {"OSS_REGION": "cb-123"}, lambda: rig.run("put", "-q", source, rig.url("box")))
    order(rig, "state", region="cn-hangzhou", product="oss")
    print("ok  version 4 and 1, paths and virtual hosts, STS tokens, a CloudBox")


def multipart(rig):
    source = rig.source("parts.bin", 3 * MIB + 77777)
    result = rig.result("put", *SMALL_PARTS, source, rig.url("parts.bin"))
    crc = oss2.utils.Crc64()
    crc.update(source.read_bytes())
    assert result["parts"] == 32 and result["checksum"] == str(crc.crc), result
    assert sha256(rig.stored("parts.bin")) == sha256(source)
    info = rig.oss2_bucket().head_object("parts.bin")
    assert int(info.headers["x-oss-hash-crc64ecma"]) == crc.crc
    assert info.headers["x-oss-object-type"] == "Multipart"
    dest = rig.dir / "parts.back"
    assert rig.result("get", rig.url("parts.bin"), dest)["verified"]
    assert sha256(dest) == sha256(source)
    # Smaller parts than OSS takes are raised to what it takes.
    result = rig.result("put", "--part-size", "1KiB", "--threshold", "1", source, rig.url("small-parts"))
    assert result["parts"] == 32, result
    print("ok  parts of 100 KiB; the object's CRC-64 is oss2's")


def attributes(rig):
    source = rig.source("attr", 200 * 1024)
    for flags, key in (((), "one"), (SMALL_PARTS, "two")):
        rig.run("put", "-q", *flags, "--storage-class", "IA", "--meta", "Colour=blue", "--tag", "a b=c&d",
                source, rig.url(key))
        bucket = rig.oss2_bucket()
        info = bucket.head_object(key)
        assert info.headers["x-oss-storage-class"] == "IA" and info.headers["x-oss-meta-colour"] == "blue", info.headers
        assert bucket.get_object_tagging(key).tag_set.tagging_rule == {"a b": "c&d"}
    for words, algorithm, key in ((["encryption: AES256"], "AES256", None), (["encryption: SM4"], "SM4", None),
                                  (["encryption: aws:kms", "encryption_key: key-1"], "KMS", "key-1")):
        for flags in ((), SMALL_PARTS):
            rig.run("put", "-q", *flags, source, rig.url("encrypted"), *config(rig, words))
            headers = bucket.head_object("encrypted").headers
            assert headers["x-oss-server-side-encryption"] == algorithm, headers
            assert headers.get("x-oss-server-side-encryption-key-id") == key, headers
    refuses(rig, 2, ["aws:kms:dsse", "SM4"], "put", source, rig.url("encrypted"), *config(rig, ["encryption: aws:kms:dsse"]))
    seen(rig)
    rig.run("stat", rig.url("encrypted"), *config(rig, ["requester_pays: true"]))
    assert seen(rig)[-1]["headers"]["x-oss-request-payer"] == "requester"
    print("ok  storage class, metadata, tags, encryption, requester pays")


def presigned(rig):
    source = rig.source("shared", 4321)
    for flags, words in (([], ("x-oss-signature-version=OSS4-HMAC-SHA256", "x-oss-expires=900")),
                         (config(rig, ["signature: v1"]), ("OSSAccessKeyId=testkey123", "Expires="))):
        for token in (None, "sts-token/+="):
            order(rig, "state", token=token)
            env = {"OSS_SESSION_TOKEN": token or ""}
            with_env(rig, env, lambda: rig.run("put", "-q", source, rig.url("sh are+%"), *flags))
            url = with_env(rig, env, lambda: rig.run("share", rig.url("sh are+%"), "--expires", "15m", *flags))[0].strip()
            assert all(word in url for word in words), url
            with urllib.request.urlopen(url) as answer:
                assert answer.read() == source.read_bytes()
            put = with_env(rig, env, lambda: rig.run("share", rig.url("put+%"), "--method", "PUT", "--content-type",
                                                     "text/x", *flags))[0].strip()
            request = urllib.request.Request(put, source.read_bytes(), {"Content-Type": "text/x"}, method="PUT")
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 200
            with_env(rig, env, lambda: rig.run("stat", rig.url("put+%"), *flags))
            for change in (lambda u: u.replace("sh%20are", "sh%20arf"), lambda u: u[:-4] + "AAA%3D",
                           lambda u: u.replace("xpires=", "xpires=1")):
                try:
                    urllib.request.urlopen(change(url))
                    raise AssertionError("a URL that was changed still opens")
                except urllib.error.HTTPError as error:
                    assert error.code == 403, error
    order(rig, "state", token=None)
    print("ok  presigned URLs of version 4 and 1, with and without a token, open what they name and nothing else")


# --- errors and faults ---

def errors(rig):
    small, big = rig.source("s", 1000), rig.source("b", 20 * MIB)
    refuses(rig, 4, ["SignatureDoesNotMatch", "secret"], "put", small, rig.url("x"), env={"OSS_ACCESS_KEY_SECRET": "wrong"})
    refuses(rig, 4, ["SignatureDoesNotMatch", "secret"], "stat", rig.url("x"), env={"OSS_ACCESS_KEY_SECRET": "wrong"})
    refuses(rig, 4, ["InvalidAccessKeyId", "access key"], "put", big, rig.url("x"), env={"OSS_ACCESS_KEY_ID": "nobody"})
    refuses(rig, 3, ["NoSuchBucket"], "put", small, "oss://nobucket/x")
    refuses(rig, 3, ["not found"], "stat", rig.url("nothing"))
    refuses(rig, 2, ["region"], "put", small, rig.url("x"), env={"OSS_REGION": ""})
    refuses(rig, 2, ["signing region", "set the bucket's region"], "put", small, rig.url("x"), env={"OSS_REGION": "cn-x"})
    refuses(rig, 2, ["s3://bkt"], "put", small, rig.url("x"), env={"OSS_ENDPOINT": "s3.oss-cn-hangzhou.aliyuncs.com"})
    rig.run("put", "-q", small, rig.url("there"))
    refuses(rig, 8, ["exist"], "put", "--create-only", small, rig.url("there"))
    refuses(rig, 8, ["exist"], "put", "--create-only", *SMALL_PARTS, big, rig.url("there"))
    rig.run("put", "-q", "--create-only", small, rig.url("fresh"))
    order(rig, "fault", kind="elsewhere", endpoint="oss-cn-beijing.aliyuncs.com")
    refuses(rig, 2, ["oss-cn-beijing.aliyuncs.com", "region"], "put", small, rig.url("x"))
    assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""

    # Retried: (status, code) once, then it works. Throttling and trouble that passes.
    for status, code in ((500, "InternalError"), (503, "ServiceBusy"), (503, "ServiceUnavailable"), (502, "BadGateway"),
                         (400, "RequestTimeout"), (503, "SocketTimeout"), (503, "ConnectionTimeout"),
                         (503, "QpsLimitExceeded"), (503, "DownloadTrafficRateLimitExceeded"), (429, "TooManyRequests"),
                         (409, "OperationAborted"), (403, "SecurityTokenExpired"), (503, "SlowDown"), (504, "GatewayTimeout"),
                         (400, "InvalidDigest"), (400, "BadDigest"), (403, "QuotaExceeded.Refresh"), (400, "SocketException")):
        order(rig, "fault", method="PUT", status=status, code=code)
        rig.run("put", "-q", small, rig.url("again"))
    # Final: one request, the right exit code, also for HEAD, whose error is in a header.
    for status, code, exit_code in ((403, "AccessDenied", 4), (403, "InvalidObjectState", 8), (404, "NoSuchBucket", 3),
                                    (405, "MethodNotAllowed", 2), (400, "InvalidArgument", 2), (400, "EntityTooLarge", 2)):
        for method, args in (("PUT", ("put", small, rig.url("x"))), ("HEAD", ("stat", rig.url("x")))):
            seen(rig)
            order(rig, "fault", method=method, status=status, code=code)
            refuses(rig, exit_code, [code, "EC 0000-00000001"], *args)
            assert len(seen(rig)) == 1, code


def crc_faults(rig):
    source = rig.source("crc", 350 * 1024)
    one, parts = ("put", "-q", source, rig.url("crc")), ("put", "-q", *SMALL_PARTS, source, rig.url("crc"))
    for args, fault in ((one, {"method": "PUT"}), (parts, {"query": "partNumber"})):
        order(rig, "fault", kind="wrong_crc", **fault)
        rig.run(*args)
        assert sha256(rig.stored("crc")) == sha256(source)
        order(rig, "fault", kind="wrong_crc", times=9, **fault)
        refuses(rig, 9, ["crc64ecma"], *args)
        order(rig, "fault", clear=True)
        rig.run(*args)
    order(rig, "fault", kind="wrong_crc", method="POST", query="uploadId")
    refuses(rig, 9, ["crc64ecma"], *parts)
    order(rig, "fault", kind="no_crc", method="PUT")
    _, err = rig.run("put", source, rig.url("crc"))
    assert "does not answer the checksums" in err and "sent, not verified: the store gave no checksum" in err, err
    order(rig, "fault", kind="no_crc", method="PUT")
    assert rig.result("put", source, rig.url("crc"))["verified"] is False
    # A part without, and a Complete with: the whole is confirmed. Neither: it is not.
    order(rig, "fault", kind="no_crc", query="partNumber")
    assert rig.result("put", *SMALL_PARTS, source, rig.url("crc"))["verified"] is True
    order(rig, "fault", kind="no_crc", query="uploadId", times=99)
    assert rig.result("put", *SMALL_PARTS, source, rig.url("crc"))["verified"] is False
    order(rig, "fault", clear=True)
    assert rig.result("put", source, rig.url("crc"))["verified"] is True
    assert rig.result("put", "--checksum", "md5", source, rig.url("crc"))["verified"] is True
    assert rig.result("put", "--checksum", "none", source, rig.url("crc"))["verified"] is False
    dest = rig.dir / "crc.back"
    rig.run(*one)
    order(rig, "fault", kind="cut", method="GET")
    assert rig.result("get", rig.url("crc"), dest)["verified"] and sha256(dest) == sha256(source)
    print("ok  a wrong CRC-64 of a part is sent again, of the whole is exit 9, a missing one is told")


def nothing_left(rig):
    assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""


def refused_for_good(rig):
    """An upload that nobody will complete is aborted, and its record goes."""
    source = rig.source("taken", 350 * 1024)
    rig.run("put", "-q", source, rig.url("from"))
    other = f"file://{rig.dir}/taken"
    for args, stdin in ((("put", source), None), (("put", "-"), source), (("cp", rig.url("from")), None),
                        (("cp", other), None)):
        order(rig, "fault", method="POST", query="uploadId", status=409, code="FileAlreadyExists")
        with open(stdin or "/dev/null", "rb") as file:
            _, err = rig.run(*args, rig.url("late"), *SMALL_PARTS, "--create-only", expect=8, stdin=file)
        assert "exists already" in err and len(err.splitlines()) == 1, err
        nothing_left(rig)
    # Copies of parts are refused: the bytes go through here.
    for status, code in ((501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "OperationNotSupported")):
        order(rig, "fault", header="x-oss-copy-source", times=99, status=status, code=code)
        result = rig.result("cp", rig.url("from"), rig.url("to"), *SMALL_PARTS)
        order(rig, "fault", clear=True)
        assert result["way"] == "stream" and result["parts"] == 4 and result["verified"], result
        assert sha256(rig.stored("to")) == sha256(source)
        nothing_left(rig)
    print("ok  refused create-only uploads and copies leave nothing; where parts cannot be copied they are streamed")


def unknown_outcome(rig):
    source = rig.source("lost", 350 * 1024)
    args = ("put", "-q", *SMALL_PARTS, source)
    # The first Complete takes effect, its answer is lost; the second is told that there is no such upload.
    order(rig, "fault", kind="drop", method="POST", query="uploadId")
    rig.run(*args, rig.url("dropped"))
    requests = [(entry["method"], entry.get("code")) for entry in seen(rig)]
    assert ("POST", "NoSuchUpload") in requests and requests[-1] == ("HEAD", None), requests
    # It never arrived: the second one completes.
    order(rig, "fault", kind="close", method="POST", query="uploadId")
    rig.run(*args, rig.url("closed"))
    # The same with create-only: what is there now is ours.
    order(rig, "fault", kind="drop", method="POST", query="uploadId")
    rig.run(*args, "--create-only", rig.url("created"))
    order(rig, "fault", kind="drop", method="PUT")
    rig.run("put", "-q", source, rig.url("single"))
    for key in ("dropped", "closed", "created", "single"):
        assert sha256(rig.stored(key)) == sha256(source), key
    assert rig.uploads_left() == []
    print("ok  a Complete whose answer is lost is settled by HEAD and CRC-64")


def clock_skew(rig):
    source = rig.source("clock", 1000)
    for seconds in (3600, -3600):
        order(rig, "state", clock=seconds)
        for flags in ([], config(rig, ["signature: v1"])):
            _, err = rig.run("put", source, rig.url("clock"), *flags)
            assert "clock differs by" in err, err
            rig.run("stat", rig.url("clock"), *flags)
    order(rig, "state", clock=0)
    print("ok  a clock that is an hour off is corrected")


def deletes(rig):
    source = rig.source("d", 10)
    for key in ("d/1", "d/2", "d/3"):
        rig.run("put", "-q", source, rig.url(key))
    # Verbose mode: a key that is not among the deleted was not deleted.
    order(rig, "fault", method="POST", query="delete", status=200, keep=["d/2"])
    _, err = rig.run("rm", "-q", "-r", rig.url("d/"), expect=6)
    assert "d/2" in err, err
    assert [entry.key for entry in oss2.ObjectIteratorV2(rig.oss2_bucket(), prefix="d/")] == ["d/2"]
    print("ok  a key that the answer leaves out is told as not deleted:", err.splitlines()[0])


def main():
    with Rig("oss") as rig:
        the_double_refuses(rig)
        signatures(rig)
        multipart(rig)
        attributes(rig)
        presigned(rig)
        errors(rig)
        crc_faults(rig)
        refused_for_good(rig)
        unknown_outcome(rig)
        clock_skew(rig)
        deletes(rig)


main()
