"""Encryption at the store against a MinIO with TLS and a key of its own: SSE-S3, SSE-KMS and keys of the customer's.

The headers of the objects are asked for by presigned URLs, so that the server says itself how it keeps them.
"""
import base64
import hashlib
import os
import ssl
import subprocess
import urllib.error
import urllib.request

from rig import MIB, Rig, free_port, wait_for_port


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TlsRig(Rig):
    """MinIO with TLS; its certificate is the only one that purser is told to trust."""

    def start_server(self):
        certs = self.dir / "certs"
        certs.mkdir(exist_ok=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certs / "private.key", "-out",
                        certs / "public.crt"], check=True, capture_output=True)
        (self.data / "bkt").mkdir(exist_ok=True)
        self.env.update(AWS_ENDPOINT_URL_S3=f"https://127.0.0.1:{self.port}", PURSER_CA_BUNDLE=str(certs / "public.crt"))
        self.server = subprocess.Popen(
            ["minio", "server", "--certs-dir", str(certs), "--address", f"127.0.0.1:{self.port}", "--console-address",
             f"127.0.0.1:{free_port()}", str(self.data)], stdout=open(self.log, "ab"), stderr=subprocess.STDOUT,
            env=dict(os.environ, MINIO_ROOT_USER="testkey123", MINIO_ROOT_PASSWORD="testsecret123", MINIO_UPDATE="off",
                     MINIO_KMS_SECRET_KEY="artifacts:" + base64.b64encode(os.urandom(32)).decode()))
        wait_for_port(self.port, self.server)
        self.context = ssl.create_default_context(cafile=str(certs / "public.crt"))

    def headers(self, key):
        url = self.run("share", self.url(key))[0].strip()
        return urllib.request.urlopen(url, context=self.context).headers


def kept_by_the_store(rig, source):
    want = sha256(source)
    for name, flags, header in (("s3", ("--encryption", "AES256"), "AES256"),
                                ("kms", ("--encryption", "aws:kms", "--encryption-key", "artifacts"), "aws:kms")):
        for key, more in ((f"{name}.bin", ()), (f"{name}-parts.bin", ("--threshold", "1MiB", "--part-size", "5MiB"))):
            rig.run("put", "-q", *flags, *more, source, rig.url(key))
            rig.run("get", "-q", rig.url(key), rig.dir / "out")
            assert sha256(rig.dir / "out") == want
            assert rig.headers(key)["x-amz-server-side-encryption"] == header, (key, rig.headers(key))
            (rig.dir / "out").unlink()
    rig.run("cp", "-q", "--encryption", "aws:kms", rig.url("s3.bin"), rig.url("copy.bin"))
    assert rig.headers("copy.bin")["x-amz-server-side-encryption"] == "aws:kms"
    print("SSE-S3, SSE-KMS: whole, in parts and copied, as the server says")


def keys_of_the_customer(rig, source):
    key, other = rig.dir / "key", rig.dir / "other"
    key.write_bytes(os.urandom(32))
    other.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    flags = ("--encryption", "customer", "--encryption-key-file", key)
    for name, more in (("c.bin", ()), ("c-parts.bin", ("--threshold", "1MiB", "--part-size", "5MiB"))):
        rig.run("put", "-q", *flags, *more, source, rig.url(name))
        rig.run("get", "-q", *flags, rig.url(name), rig.dir / "out")
        assert sha256(rig.dir / "out") == sha256(source)
        (rig.dir / "out").unlink()
    rig.run("cp", "-q", *flags, rig.url("c.bin"), rig.url("c2.bin"))
    rig.run("get", "-q", *flags, rig.url("c2.bin"), rig.dir / "out")
    assert sha256(rig.dir / "out") == sha256(source)
    (rig.dir / "out").unlink()
    for wrong in ((), ("--encryption", "customer", "--encryption-key-file", other)):
        code = subprocess.run([os.environ.get("PURSER", "build/release/purser"), "get", *wrong, rig.url("c.bin"),
                               rig.dir / "out"], env=rig.env, capture_output=True, check=False).returncode
        assert code != 0 and not (rig.dir / "out").exists()
    rig.run("share", *flags, rig.url("c.bin"), expect=2)
    print("SSE-C: whole, in parts and copied; without the key, or with another, nothing is got")


def main():
    with TlsRig("minio") as rig:
        source = rig.source("a.bin", 12 * MIB + 1)
        kept_by_the_store(rig, source)
        keys_of_the_customer(rig, source)


main()
