"""The operations of the double of OSS: what each request does to its objects. Used by oss_double.py."""
import base64
import datetime
import email.utils
import hashlib
import os
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import crcmod
import oss2
from oss2.crc64_combine import mkCombineFun

from oss_judge import Refused

KIB = 1024
MIB = 1024 * KIB
BLOCK = MIB
PART_SIZE_MIN = 100 * KIB
CRC = oss2.utils.Crc64
COMBINE = mkCombineFun(CRC._POLY, initCrc=0, rev=True, xorOut=CRC._XOROUT)
ARCHIVED = ("Archive", "ColdArchive", "DeepColdArchive")
CLASSES = ("Standard", "IA") + ARCHIVED


def new_crc():
    return crcmod.Crc(CRC._POLY, initCrc=0, rev=True, xorOut=CRC._XOROUT)


def combine_all(parts):
    """The CRC of parts one after the other. oss2's function is linear in the first CRC: for many parts of one size its
    values for single bits are computed once, and the rest is their sum."""
    if len(parts) < 200:
        step = COMBINE
    else:
        tables = {}

        def step(before, crc, size):
            if size not in tables:
                zero = COMBINE(0, 0, size)
                tables[size] = zero, [COMBINE(1 << bit, 0, size) ^ zero for bit in range(64)]
            zero, bits = tables[size]
            for bit in range(64):
                if before >> bit & 1:
                    crc ^= bits[bit]
            return crc ^ zero
    whole = parts[0].crc
    for part in parts[1:]:
        whole = step(whole, part.crc, part.size)
    return whole


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


class Operations:
    """Mixed into the handler, which reads bodies (read_all, store_body) and writes answers (answer)."""

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
        crc, size = combine_all(parts), sum(part.size for part in parts)
        segments = [segment for part in parts for segment in part.segments]
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
