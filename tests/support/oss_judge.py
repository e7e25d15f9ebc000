"""Whether a request to the double of OSS is signed as Aliyun's own SDKs sign it. Used by oss_double.py.

Version 4 is computed anew by alibabacloud_oss_v2 and by oss2, version 1 by oss2; each must agree with what came."""
import collections
import datetime
import email.utils
import urllib.parse

import oss2
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import Credentials, HttpRequest, SigningContext
from requests.structures import CaseInsensitiveDict

SKEW_MAX_S = 900

# key: decoded, None = the bucket; params: decoded; url: as it came
Request = collections.namedtuple("Request", "method url bucket key params headers")


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status, code, message="", **fields):
        super().__init__(code)
        self.status, self.code, self.message, self.fields = status, code, message or code, fields


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
