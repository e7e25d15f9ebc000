#!/usr/bin/env python3
"""The artifact plugin against Argo's own client, grpcurl and h2spec. Usage: plugin.py file|versitygw"""
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

from rig import LONG, MIB, PURSER, Rig, sha256

SIZE = (6 * 1024 if LONG else 160) * MIB


class Plugin:
    """A running plugin and Argo's client for it."""

    def __init__(self, rig, listen=None, argv0=None, **env):
        self.rig = rig
        self.socket = listen or str(rig.dir / "artifact-plugins" / "purser" / "socket")
        self.log = open(rig.dir / "plugin.log", "ab")
        self.config = rig.dir / "configuration.yaml"
        self.config.write_text(f"url: {rig.root}/prefix\npart_size: 8MiB\n")
        args = [argv0, self.socket] if argv0 else [PURSER, "plugin", self.socket]
        self.process = subprocess.Popen([*args, "--log-level=info"], env=dict(rig.env, **env), stdout=subprocess.PIPE,
                                        stderr=self.log)

    def client(self, *args, config=None, **kwargs):
        return subprocess.Popen(["argo-client", self.socket, str(config or self.config), *map(str, args)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **kwargs)

    def run(self, *args, fails=False, config=None, env=None):
        client = self.client(*args, config=config, env=dict(os.environ, **(env or {})))
        out, err = client.communicate(timeout=600)
        assert (client.returncode != 0) == fails, f"{args}: exit {client.returncode}\n{out}{err}{self.text()}"
        return err if fails else out

    def text(self):
        return (self.rig.dir / "plugin.log").read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0, f"exit {self.process.returncode}\n{self.text()}"
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.process.poll() is None:
            self.stop()
        else:
            self.process.kill()
            self.process.wait()


def rss_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1])


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def round_trip(rig):
    source = rig.source("source.bin", SIZE)
    with Plugin(rig) as plugin:
        plugin.run("save", source, "wf/main.bin")
        assert sha256(rig.stored("prefix/wf/main.bin")) == sha256(source)
        plugin.run("load", "wf/main.bin", rig.dir / "loaded", env={"ARTIFACT_MODE": "640"})
        assert sha256(rig.dir / "loaded") == sha256(source)
        assert stat.S_IMODE(os.stat(rig.dir / "loaded").st_mode) == 0o640
        plugin.run("stream", "wf/main.bin", rig.dir / "streamed")
        assert sha256(rig.dir / "streamed") == sha256(source)
        plugin.run("load", "wf", rig.dir / "below", env={"ARTIFACT_SUB_PATH": "main.bin"})
        assert sha256(rig.dir / "below") == sha256(source)
        assert plugin.run("list", "wf") == "wf/main.bin\n"
        assert plugin.run("list", "wf/main.bin") == ""
        assert plugin.run("is-directory", "wf") == "true\n"
        assert plugin.run("is-directory", "wf/main.bin") == "false\n"
        plugin.run("delete", "wf/main.bin")
        assert not rig.stored("prefix/wf/main.bin").exists()
        plugin.run("delete", "wf/main.bin")  # again: it is gone, which is what was asked for
        empty = rig.source("empty", 0)
        plugin.run("save", empty, "wf/empty")
        plugin.run("stream", "wf/empty", rig.dir / "streamed")
        assert (rig.dir / "streamed").stat().st_size == 0
    for name in ("loaded", "streamed", "below", "source.bin"):
        (rig.dir / name).unlink()


def delete_directory(rig):
    """More keys than one request takes; a neighbour whose name begins alike stays."""
    many = rig.stored("prefix/many")
    many.mkdir(parents=True)
    for i in range(1203):
        (many / f"{i:05}").write_bytes(b"x")
    rig.stored("prefix/many-not").mkdir()
    rig.stored("prefix/many-not/kept").write_bytes(b"x")
    with Plugin(rig) as plugin:
        assert len(plugin.run("list", "many").splitlines()) == 1203
        plugin.run("delete", "many")
        assert plugin.run("is-directory", "many") == "false\n"
        assert "not found" in plugin.run("list", "many", fails=True)
        assert plugin.run("list", "many-not") == "many-not/kept\n"


def directories(rig):
    """Without an archive: an object a file, more of them than a page of a list has, and back again."""
    tree = rig.dir / "tree"
    for i in range(1100):
        path = tree / f"d{i % 7}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % i * (i % 50))
    (tree / "d0" / "deep" / "er").mkdir(parents=True)
    (tree / "d0" / "deep" / "er" / "big").write_bytes(os.urandom(17 * MIB))
    with Plugin(rig) as plugin:
        plugin.run("save", tree, "saved/tree")
        assert len(plugin.run("list", "saved/tree").splitlines()) == 1101
        assert plugin.run("is-directory", "saved/tree") == "true\n"
        plugin.run("load", "saved/tree", rig.dir / "tree.back")
        subprocess.run(["diff", "-r", tree, rig.dir / "tree.back"], check=True)
        plugin.run("load", "saved/tree", rig.dir / "tree.part", env={"ARTIFACT_SUB_PATH": "d0/deep"})
        assert (rig.dir / "tree.part" / "er" / "big").stat().st_size == 17 * MIB
        modes = {"ARTIFACT_SUB_PATH": "d0", "ARTIFACT_MODE": "750"}
        plugin.run("load", "saved/tree", rig.dir / "tree.mode", env=modes)
        assert mode(rig.dir / "tree.mode") == 0o750 and mode(rig.dir / "tree.mode/deep/er/big") == 0o644
        plugin.run("load", "saved/tree", rig.dir / "tree.modes", env=dict(modes, ARTIFACT_RECURSE_MODE="1"))
        below = list((rig.dir / "tree.modes").rglob("*"))
        assert len(below) > 100 and all(mode(path) == 0o750 for path in [rig.dir / "tree.modes", *below])
        (tree / "link").symlink_to("/etc/passwd")
        assert "link" in plugin.run("save", tree, "saved/linked", fails=True)
        client = plugin.client("cancel", rig.dir / "tree.back", "saved/cancelled", 50)
        client.communicate(timeout=60)
        plugin.run("delete", "saved")
    for name in ("tree", "tree.back", "tree.part", "tree.mode", "tree.modes"):
        shutil.rmtree(rig.dir / name)


def errors(rig):
    source = rig.source("small", 10)
    wrong = rig.dir / "wrong.yaml"
    with Plugin(rig) as plugin:
        missing = plugin.run("load", "no/such", rig.dir / "x", fails=True)
        assert "not found" in missing and "no/such" in missing, missing
        assert not (rig.dir / "x").exists()
        assert "not found" in plugin.run("stream", "no/such", rig.dir / "x", fails=True)
        assert "not found" in plugin.run("list", "no/such", fails=True)
        for key in ("../x", "a/../../x", "/etc/x", ".", "", ".purser/uploads"):
            assert "key" in plugin.run("save", source, key, fails=True), key
        assert not (rig.data / "x").exists()
        assert "No such file" in plugin.run("save", rig.dir / "absent", "k", fails=True)
        assert "absolute" in plugin.run("save", "small", "k", fails=True)
        wrong.write_text(f"url: {rig.root}/prefix\nendpiont: x\n")
        assert "configuration:2: key `endpiont`" in plugin.run("save", source, "k", fails=True, config=wrong)
        wrong.write_text("region: x\n")
        assert "no url" in plugin.run("save", source, "k", fails=True, config=wrong)
        wrong.write_text("")
        assert "configuration:1" in plugin.run("save", source, "k", fails=True, config=wrong)
        plugin.run("save", source, "k")


def parallel(rig):
    files = rig.dir / "parallel"
    files.mkdir()
    for i in range(100):
        (files / str(i)).write_bytes(os.urandom(1000 + i * 3000))
    with Plugin(rig) as plugin:
        plugin.run("parallel", 100, files)
    for i in range(100):
        assert (files / str(i)).read_bytes() == (files / f"{i}.back").read_bytes(), i
    shutil.rmtree(files)


def cancel_and_deadline(rig):
    source = rig.source("cancelled", 160 * MIB)
    with Plugin(rig) as plugin:
        client = plugin.client("cancel", source, "cancelled", 150)
        _, err = client.communicate(timeout=60)
        assert client.returncode == 0 or "Canceled" in err, err
        plugin.run("save", source, "cancelled")
        assert sha256(rig.stored("prefix/cancelled")) == sha256(source)
        err = plugin.run("deadline", "cancelled", 300, fails=True)
        assert "DeadlineExceeded" in err, err
        plugin.run("stream", "cancelled", rig.dir / "streamed")
        assert sha256(rig.dir / "streamed") == sha256(source)


def abandoned(rig):
    """Argo's client leaves streams open: they hold little, block nobody, and lose their place in time."""
    with Plugin(rig, PURSER_PLUGIN_STALL_TIMEOUT="2s") as plugin:
        plugin.run("is-directory", "cancelled")
        before = rss_kib(plugin.process.pid)
        client = plugin.client("abandon", "cancelled", 60)
        assert client.stdout.readline() == "abandoned\n", client.stderr.read()
        plugin.run("stream", "cancelled", rig.dir / "streamed")
        assert sha256(rig.dir / "streamed") == sha256(rig.dir / "cancelled")
        grown = rss_kib(plugin.process.pid) - before
        limit = 60 * 1024  # 1 MiB a stream: its queue, its block, its connection to the store
        assert "asan" in PURSER or "tsan" in PURSER or grown < limit, f"60 streams hold {grown} KiB"
        deadline = time.monotonic() + 30
        while plugin.text().count("takes nothing any more") < 60 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert plugin.text().count("takes nothing any more") == 60
        client.communicate()


def terminated(rig):
    """SIGTERM in the middle of a save: exit 0, the parts are kept, the next plugin goes on."""
    source = rig.source("terminated", 256 * MIB)
    with Plugin(rig, PURSER_PLUGIN_GRACE="0") as plugin:
        client = plugin.client("save", source, "terminated")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            out, _ = rig.run("uploads", "--json")
            if any(json.loads(line).get("done_parts", 0) >= 2 for line in out.splitlines()):
                break
            if client.poll() is not None:
                break
        plugin.stop()
        _, err = client.communicate(timeout=30)
        assert not os.path.exists(plugin.socket)
        saved_at_once = client.returncode == 0
    with Plugin(rig) as plugin:
        plugin.run("save", source, "terminated")
        assert sha256(rig.stored("prefix/terminated")) == sha256(source)
        assert saved_at_once or re.search(r"terminated: saved, 256 MiB, [1-9]", plugin.text()) or \
            re.search(r"terminated: saved, 256.0 MiB, [1-9]", plugin.text()), err + plugin.text()


def started_as_argo_does(rig):
    """By name, as another user, with a root that cannot be written and no home; a socket of a dead one is replaced."""
    link = rig.dir / "purser-plugin"
    link.symlink_to(PURSER)
    with Plugin(rig, argv0=str(link)) as plugin:
        plugin.run("is-directory", "wf")
        assert stat.S_IMODE(os.stat(plugin.socket).st_mode) == 0o777
        plugin.process.kill()
        plugin.process.wait()
        assert os.path.exists(plugin.socket)
    with Plugin(rig) as plugin:
        deadline = time.monotonic() + 10  # until the new socket is in the place of the old one
        while time.monotonic() < deadline:
            client = plugin.client("is-directory", "wf")
            client.communicate()
            if client.returncode == 0:
                break
        assert client.returncode == 0
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory(prefix="purser-plugin-") as place:
        os.chmod(place, 0o777)
        shutil.copy(PURSER, f"{place}/purser-plugin")
        env = {"HOME": "/", "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        process = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                    f"{place}/purser-plugin", f"{place}/s/socket"], env=env, cwd="/")
        while not os.path.exists(f"{place}/s/socket"):
            assert process.poll() is None, process.returncode
            time.sleep(0.01)
        assert os.stat("/tmp/purser-65534").st_uid == 65534
        process.terminate()
        assert process.wait() == 0
        shutil.rmtree("/tmp/purser-65534")


READ_ONLY = """
root=$1
{ mount --bind / $root && mount --bind /proc $root/proc && mount --bind /dev $root/dev &&
  mount --bind "$2/tmp" $root/tmp && mount --bind "$2/bin" $root/mnt && mount -o remount,bind,ro $root/mnt &&
  mount -o remount,bind,ro $root; } || exit 77
! touch $root/etc/x $root/mnt/x 2>/dev/null || exit 78
exec chroot --userspec=65534:65534 $root /mnt/purser-plugin /tmp/s/socket --log-level info
"""


def read_only_root(rig):
    """As a pod has it: any user, nothing can be written but /tmp."""
    if os.geteuid() != 0:
        print("skipped: mounts need root")
        return
    with tempfile.TemporaryDirectory(prefix="purser-plugin-") as place, tempfile.TemporaryDirectory() as root:
        os.chmod(place, 0o755)
        for name in ("tmp", "bin"):
            os.mkdir(f"{place}/{name}")
        os.chmod(f"{place}/tmp", 0o1777)
        shutil.copy(PURSER, f"{place}/bin/purser-plugin")
        log = rig.dir / "read-only.log"
        process = subprocess.Popen(["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", root, place], cwd="/",
                                   env={"PATH": os.environ["PATH"]}, stdout=open(log, "ab"), stderr=subprocess.STDOUT)
        while not os.path.exists(f"{place}/tmp/s/socket"):
            if process.poll() is not None:
                assert process.returncode != 78, "the root is not read-only"
                print(f"skipped: no mounts here: {log.read_text().strip()[-200:]}")
                return
            time.sleep(0.01)
        config = rig.dir / "read-only.yaml"
        config.write_text("url: file:///tmp/store\npart_size: 8MiB\n")
        os.mkdir(f"{place}/tmp/store")
        os.chmod(f"{place}/tmp/store", 0o777)
        source = rig.source("read-only.bin", 24 * MIB)
        shutil.copy(source, f"{place}/tmp/source")
        os.chmod(f"{place}/tmp/source", 0o644)
        for args in (("save", "/tmp/source", "k"), ("load", "k", "/tmp/loaded"), ("delete", "k")):
            done = subprocess.run(["argo-client", f"{place}/tmp/s/socket", config, *args], capture_output=True, text=True,
                                  check=False)
            assert done.returncode == 0, (args, done.stderr, log.read_text())
        assert sha256(f"{place}/tmp/loaded") == sha256(source)
        assert os.stat(f"{place}/tmp/purser-65534").st_uid == os.stat(f"{place}/tmp/loaded").st_uid == 65534
        process.terminate()
        assert process.wait(timeout=60) == 0, log.read_text()


def ghz(rig):
    """A hundred calls at once on one connection, and on ten."""
    with Plugin(rig) as plugin:
        plugin.run("save", rig.source("small", 1000), "ghz/x")
        body = {"artifact": {"plugin": {"configuration": plugin.config.read_text(), "key": "ghz"}}}
        for connections in (1, 10):
            done = subprocess.run(["ghz", "--insecure", "--call", "artifact.ArtifactService/IsDirectory", "-d",
                                   json.dumps(body), "-n", "1000", "-c", "100", "--connections", str(connections), "-O",
                                   "json", f"unix://{plugin.socket}"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            report = json.loads(done.stdout)
            assert report["statusCodeDistribution"] == {"OK": 1000}, report["statusCodeDistribution"]
            print(f"ghz: 1,000 calls, 100 at once, {connections} connections: {report['rps']:.0f}/s, "
                  f"slowest {report['slowest'] / 1e6:.1f} ms")


def grpcurl(rig):
    with Plugin(rig) as plugin:
        plugin.run("is-directory", "wf")

        def ask(words, body=None):
            return subprocess.run(["grpcurl", "-plaintext", *(["-d", "@"] if body else []), f"unix://{plugin.socket}",
                                   *words], input=json.dumps(body), capture_output=True, text=True, check=False)

        assert "artifact.ArtifactService" in ask(["list"]).stdout
        described = ask(["describe", "artifact.ArtifactService"]).stdout
        assert "rpc OpenStream ( .artifact.OpenStreamRequest ) returns ( stream .artifact.OpenStreamResponse )" in \
            described, described
        assert "SERVING" in ask(["grpc.health.v1.Health/Check"]).stdout
        body = {"artifact": {"plugin": {"configuration": plugin.config.read_text(), "key": "wf/empty"}}}
        answer = ask(["artifact.ArtifactService/IsDirectory"], body)
        assert answer.returncode == 0, answer.stderr
        body["artifact"]["plugin"]["key"] = "wf/empty\0/x"
        answer = ask(["artifact.ArtifactService/Delete"], body)
        assert "NUL" in answer.stderr, answer.stderr
        body["artifact"]["plugin"]["key"] = "x" * 300000
        answer = ask(["artifact.ArtifactService/Delete"], body)
        assert "ResourceExhausted" in answer.stderr, answer.stderr


def h2spec(rig):
    with Plugin(rig, listen="127.0.0.1:0") as plugin:
        port = plugin.process.stdout.readline().decode().strip().split(":")[1]
        done = subprocess.run(["h2spec", "-o", "20", "-h", "127.0.0.1", "-p", port], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout[-6000:]
        print(done.stdout.strip().splitlines()[-1])


def main(kind):
    with Rig(kind) as rig:
        for step in (round_trip, delete_directory, directories, errors, parallel, cancel_and_deadline, abandoned, terminated,
                     started_as_argo_does, read_only_root, ghz, grpcurl, h2spec):
            if kind != "file" and step in (started_as_argo_does, read_only_root, h2spec):
                continue
            started = time.monotonic()
            step(rig)
            print(f"{kind}: {step.__name__} {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
