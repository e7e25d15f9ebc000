"""A store to test against, and purser as a user runs it. Used by the scripts of this folder."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

PURSER = os.environ.get("PURSER", "build/release/purser")
LONG = os.environ.get("PURSER_TEST_LONG") == "1"
MIB = 1024 * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()


class Rig:
    """kind: "file", "versitygw", "minio", "ceph" or "oss" (the double). The last three need purser-test-python."""

    def __init__(self, kind, versioning=False):
        self.kind = kind
        self.versioning = versioning  # versitygw: keep old versions, once a bucket asks for it
        self.keeps_checksums = kind != "ceph"  # RGW since Squid; Debian 12 has Pacific
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="purser-flow-"))
        # No metadata service is asked: on a machine in a cloud there would be one.
        self.env = dict(os.environ, PURSER_STATE_DIR=str(self.dir / "state"), AWS_EC2_METADATA_DISABLED="true",
                        ALIBABA_CLOUD_ECS_METADATA_DISABLED="true")
        self.server = None
        self.ceph = None
        self.log = self.dir / "server.log"
        self.data = self.dir / "data"
        self.data.mkdir()
        if kind == "file":
            self.root = f"file://{self.data}/bkt"
            (self.data / "bkt").mkdir()
            return
        self.port = free_port()
        if kind == "oss":
            self.root = "oss://bkt"
            self.endpoint = f"http://127.0.0.1:{self.port}"
            self.env.update(OSS_ACCESS_KEY_ID="testkey123", OSS_ACCESS_KEY_SECRET="testsecret123",
                            OSS_REGION="cn-hangzhou", OSS_ENDPOINT=self.endpoint)
            self.start_server()
            return
        self.root = "s3://bkt"
        self.env.update(AWS_ACCESS_KEY_ID="testkey123", AWS_SECRET_ACCESS_KEY="testsecret123",
                        AWS_REGION="us-east-1", AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{self.port}")
        if kind == "ceph":
            self.start_ceph()
            return
        self.start_server()

    def start_ceph(self):
        from ceph_cluster import CephCluster
        self.ceph = CephCluster(self.dir / "ceph", free_port(), self.port)
        try:
            self.ceph.create_user("testkey123", "testsecret123")
            self.start_server()
            client = self.s3_client()
            client.create_bucket(Bucket="bkt")
            # Ceph's pools are made by the first object and the first upload, which takes seconds.
            client.put_object(Bucket="bkt", Key="first", Body=b"first")
            client.delete_object(Bucket="bkt", Key="first")
            upload = client.create_multipart_upload(Bucket="bkt", Key="first")
            client.abort_multipart_upload(Bucket="bkt", Key="first", UploadId=upload["UploadId"])
        except BaseException:
            self.stop_server()
            self.ceph.stop()
            raise

    def start_server(self):
        log = open(self.log, "ab")
        if self.kind == "versitygw":
            # Its metadata in a directory of its own: in extended attributes, the part list of Complete is limited to
            # ext4's 4 KiB, some hundred parts.
            (self.data / "bkt").mkdir(exist_ok=True)
            (self.dir / "sidecar").mkdir(exist_ok=True)
            versions = []
            if self.versioning:
                (self.dir / "versions").mkdir(exist_ok=True)
                versions = ["--versioning-dir", str(self.dir / "versions")]
            self.server = subprocess.Popen(
                ["versitygw", "--port", f"127.0.0.1:{self.port}", "posix", "--sidecar", str(self.dir / "sidecar"),
                 *versions, str(self.data)], stdout=log, stderr=log,
                env=dict(os.environ, ROOT_ACCESS_KEY="testkey123", ROOT_SECRET_KEY="testsecret123"))
        elif self.kind == "oss":
            double = pathlib.Path(__file__).parent.parent / "support" / "oss_double.py"
            self.server = subprocess.Popen(["purser-test-python", str(double), str(self.data), "--port", str(self.port)],
                                           stdout=log, stderr=log)
        elif self.kind == "ceph":
            self.server = self.ceph.start_rgw(log)
        else:
            (self.data / "bkt").mkdir(exist_ok=True)
            self.server = subprocess.Popen(
                ["minio", "server", "--address", f"127.0.0.1:{self.port}", "--console-address",
                 f"127.0.0.1:{free_port()}", str(self.data)], stdout=log, stderr=log,
                env=dict(os.environ, MINIO_ROOT_USER="testkey123", MINIO_ROOT_PASSWORD="testsecret123",
                         MINIO_UPDATE="off"))
        wait_for_port(self.port, self.server)
        if self.kind == "minio":
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{self.port}/minio/health/ready")
                    break
                except OSError:
                    time.sleep(0.05)

    def stop_server(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_server()
        if self.ceph:
            self.ceph.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *args, **kwargs):
        return subprocess.Popen([PURSER, *map(str, args)], env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **kwargs)

    def run(self, *args, expect=0, **kwargs):
        """Run to the end; returns (stdout, stderr) as text. The exit code must be expect."""
        done = subprocess.run([PURSER, *map(str, args)], env=self.env, capture_output=True, check=False, **kwargs)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert done.returncode == expect, f"{args}: exit {done.returncode}, not {expect}\n{out}{err}"
        return out, err

    def result(self, *args, **kwargs):
        """Run with --json; returns the result line."""
        out, _ = self.run(*args, "--json", **kwargs)
        return [json.loads(line) for line in out.splitlines() if '"type":"result"' in line][-1]

    def url(self, key):
        return f"{self.root}/{key}"

    def stored(self, key):
        """A file with the object as the store has it; for OSS, Ceph and MinIO as a vendor's own client reads it."""
        if self.kind in ("ceph", "minio"):  # MinIO keeps an object as a directory
            path = self.dir / "stored-by-botocore"
            with open(path, "wb") as file:
                for chunk in self.s3_client().get_object(Bucket="bkt", Key=key)["Body"].iter_chunks(MIB):
                    file.write(chunk)
            return path
        if self.kind != "oss":
            return self.data / "bkt" / key
        path = self.dir / "stored-by-oss2"
        self.oss2_bucket().get_object_to_file(key, str(path))
        return path

    def oss2_bucket(self, version="v4"):
        """Aliyun's own client."""
        import oss2  # only purser-test-python has it
        auth = oss2.make_auth("testkey123", "testsecret123", version)
        return oss2.Bucket(auth, self.endpoint, "bkt", region="cn-hangzhou")

    def s3_client(self):
        """AWS's own client."""
        import botocore.session  # only purser-test-python has it
        return botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="testkey123", aws_secret_access_key="testsecret123")

    def uploads_left(self):
        """Multipart uploads that the store still has."""
        if self.kind == "file":
            return list((self.data / "bkt" / ".purser" / "uploads").glob("*"))
        if self.kind == "oss":
            import oss2
            return list(oss2.MultipartUploadIterator(self.oss2_bucket()))
        if self.kind == "ceph":
            return self.s3_client().list_multipart_uploads(Bucket="bkt").get("Uploads", [])
        if self.kind == "versitygw":
            return [p for p in (self.data / "bkt" / ".sgwtmp" / "multipart").glob("*/*") if p.is_dir()]
        return [p for p in (self.data / ".minio.sys" / "multipart").glob("*/*") if p.is_dir()]

    def forget_uploads(self):
        if self.kind == "oss":
            for upload in self.uploads_left():
                self.oss2_bucket().abort_multipart_upload(upload.key, upload.upload_id)
            return
        if self.kind == "ceph":
            for upload in self.uploads_left():
                self.s3_client().abort_multipart_upload(Bucket="bkt", Key=upload["Key"], UploadId=upload["UploadId"])
            return
        running = self.server is not None
        self.stop_server()  # it may still be ending a part of a client that is gone
        for upload in self.uploads_left():
            shutil.rmtree(upload)
        if running:
            self.start_server()

    def source(self, name, size):
        path = self.dir / name
        with open(path, "wb") as file:
            left = size
            while left:
                step = min(left, 8 * MIB)
                file.write(os.urandom(step))
                left -= step
        return path

    def sparse_source(self, name, size):
        """Holes with random islands, so that a big file costs little disk and no two parts are alike."""
        path = self.dir / name
        with open(path, "wb") as file:
            file.truncate(size)
            for offset in range(0, size - MIB, 97 * MIB + 4099):
                file.seek(offset)
                file.write(os.urandom(MIB))
        return path

    def measured(self, *args, stdin=None):
        """Run to the end; returns (seconds, CPU seconds, peak RSS in KiB) of that process alone."""
        started = time.monotonic()
        process = subprocess.Popen([PURSER, *map(str, args)], env=self.env, stdin=stdin)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"{args}: status {status}"
        return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
