"""Every chain of credentials through a whole upload in which what was given ends again and again.

creds.py aws|aliyun    needs the tests' Python packages: purser-test-python
"""
import atexit
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from aws_double import ALIYUN_BASE, BASE, JWT, POD_TOKEN, Double  # noqa: E402

PURSER = os.environ.get("PURSER", "build/release/purser")
MIB = 1024 * 1024


class Place:
    """A home of its own, with nothing of this machine's credentials."""

    def __init__(self, size=42 * MIB):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="purser-creds-"))
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("AWS_", "ALIBABA_", "OSS_", "PURSER_"))}
        self.env.update(HOME=str(self.dir), PURSER_STATE_DIR=str(self.dir / "state"), AWS_REGION="eu-west-1",
                        AWS_EC2_METADATA_DISABLED="true", ALIBABA_CLOUD_ECS_METADATA_DISABLED="true")
        self.source = self.dir / "source.bin"
        self.source.write_bytes(os.urandom(size))
        self.token = self.write("token", JWT)
        self.pod_token = self.write("pod-token", POD_TOKEN)

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def put(self, double, url, **env):
        process = subprocess.Popen([PURSER, "put", "-v", "--log-level", "debug", "--part-size", "5MiB", "-c", "2",
                                    str(self.source), url], env={**self.env, **env}, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        listed = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()  # what ps shows
        told = process.communicate()[0]
        said = told.decode(errors="replace")
        assert process.returncode == 0, said
        held = listed + told + b"".join(path.read_bytes() for path in (self.dir / "state").rglob("*") if path.is_file())
        for secret in double.secrets():
            assert secret.encode() not in held, f"a secret is told: {secret}"
        return said


def aws_chains(place, double):
    url = double.url
    role = "arn:aws:iam::123456789012:role/r"
    # --connect-to is not ours to use: the metadata service is named by its variable.
    fetch = f"python3 -c \"import urllib.request; print(urllib.request.urlopen('{url}/process').read().decode())\""
    base = f"[profile base]\naws_access_key_id = {BASE[0]}\naws_secret_access_key = {BASE[1]}\n"
    config = place.write("config", f"{base}[profile role]\nrole_arn = {role}\nsource_profile = base\nexternal_id = x\n"
                                   f"[profile self]\nrole_arn = {role}\nsource_profile = self\n{base.split(']')[1]}"
                                   f"[profile env]\nrole_arn = {role}\ncredential_source = Environment\n"
                                   f"[profile pod]\nrole_arn = {role}\nweb_identity_token_file = {place.token}\n"
                                   f"[profile process]\ncredential_process = {fetch}\n")
    profile = {"AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": url}
    return {
        "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/container",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": place.pod_token},
        "instance metadata": {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url},
        "web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE": place.token, "AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL_STS": url},
        "role of a profile's keys": {**profile, "AWS_PROFILE": "role"},
        "role of its own keys": {**profile, "AWS_PROFILE": "self"},
        "role of the environment": {**profile, "AWS_PROFILE": "env", "AWS_ACCESS_KEY_ID": BASE[0],
                                    "AWS_SECRET_ACCESS_KEY": BASE[1]},
        "web identity of a profile": {**profile, "AWS_PROFILE": "pod"},
        "credential_process": {**profile, "AWS_PROFILE": "process"},
    }


def aws():
    place = Place()
    want = hashlib.sha256(place.source.read_bytes()).hexdigest()
    for number, name in enumerate(aws_chains(place, Double())):
        double = Double(uses=4)
        env = aws_chains(place, double)[name]
        key = f"o{number}"
        place.put(double, f"s3://bkt/{key}", AWS_ENDPOINT_URL_S3=double.url, **env)
        got = hashlib.sha256(double.objects[f"/bkt/{key}"]).hexdigest()
        count = double.count
        assert got == want and count["wrong"] == 0, (name, count, double.wrong)
        assert count["given"] >= 3 and count["expired"] >= 2, (name, count)
        # One refresh is shared: no more sets than there were ends, and the first.
        assert count["given"] <= count["expired"] + 1, (name, count)
        print(f"{name}: {count['given']} sets, {count['expired']} requests met an end, object whole")
        double.close()


def ahead():
    """Sets that live for 9 s in an upload of some 12 s: each is replaced before it ends."""
    place = Place(30 * MIB)
    double = Double(uses=1 << 30, life_s=9, part_delay_s=4)
    env = aws_chains(place, double)["container"]
    place.put(double, "s3://bkt/ahead", AWS_ENDPOINT_URL_S3=double.url, **env)
    assert double.count["given"] >= 2 and double.count["expired"] == 0, double.count
    print(f"ahead of the end: {double.count['given']} sets, none met its end")
    double.close()


def aliyun_chains(place, double):
    url = double.url
    role = "acs:ram::123456789012:role/r"
    oidc = {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": place.token, "ALIBABA_CLOUD_ROLE_ARN": role,
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p", "ALIBABA_CLOUD_STS_ENDPOINT": url}
    keys = {"access_key_id": ALIYUN_BASE[0], "access_key_secret": ALIYUN_BASE[1]}
    profiles = [dict(name="role", mode="RamRoleArn", ram_role_arn=role, ram_session_name="s", **keys),
                dict(name="uri", mode="CredentialsURI", credentials_uri=url + "/aliyun-uri"),
                dict(name="ecs", mode="EcsRamRole", ram_role_name="the-role")]
    config = place.write("config.json", json.dumps({"current": "role", "profiles": profiles}))
    ini = place.write("credentials", f"[default]\ntype = ram_role_arn\nrole_arn = {role}\nrole_session_name = s\n"
                                     f"access_key_id = {ALIYUN_BASE[0]}\naccess_key_secret = {ALIYUN_BASE[1]}\n")
    cli = {"ALIBABA_CLOUD_CONFIG_FILE": config, "ALIBABA_CLOUD_STS_ENDPOINT": url}
    ecs = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "false", "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT": url}
    return {
        "OIDC (RRSA)": oidc,
        "CLI profile, role by keys": cli,
        "CLI profile, URI": {**cli, "ALIBABA_CLOUD_PROFILE": "uri"},
        "CLI profile, ECS role": {**cli, **ecs, "ALIBABA_CLOUD_PROFILE": "ecs"},
        "credentials file, role by keys": {"ALIBABA_CLOUD_CREDENTIALS_FILE": ini, "ALIBABA_CLOUD_STS_ENDPOINT": url},
        "ECS role": ecs,
        "credentials URI": {"ALIBABA_CLOUD_CREDENTIALS_URI": url + "/aliyun-uri"},
    }


def aliyun():
    place = Place()
    store = subprocess.Popen([sys.executable, str(HERE.parent / "support" / "oss_double.py"), str(place.dir / "oss"),
                              "--bucket", "bkt", "--key-id", "STS.KEY", "--secret", "sts-secret-hunter2", "--token",
                              "none-yet"], stdout=subprocess.PIPE)
    endpoint = "http://127.0.0.1:" + store.stdout.readline().split()[1].decode()

    def tell(what, **values):
        request = urllib.request.Request(f"{endpoint}/-/{what}", json.dumps(values).encode(), method="POST")
        urllib.request.urlopen(request).read()

    try:
        for number, name in enumerate(aliyun_chains(place, Double())):
            double = Double()
            double.aliyun_token = lambda token: tell("state", token=token)  # from then on no other
            for skip in (2, 6):
                tell("fault", method="PUT", query="partNumber", times=1, skip=skip, status=403,
                     code="SecurityTokenExpired")
            said = place.put(double, f"oss://bkt/o{number}", OSS_ENDPOINT=endpoint, OSS_REGION="cn-hangzhou",
                             **aliyun_chains(place, double)[name])
            assert "verified crc64ecma" in said, said
            assert double.count["given"] >= 3, (double.count, said)
            print(f"{name}: {double.count['given']} sets, object whole")
            double.close()
    finally:
        store.kill()
        store.wait()


if sys.argv[1] == "aws":
    aws()
    ahead()
else:
    aliyun()
