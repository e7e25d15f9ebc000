#!/usr/bin/env python3
"""The workflow watcher and the leader's lease against a scripted API server."""
import base64
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from fake_kube import FakeKube, workflow

PROBE = os.path.join(os.environ.get("PURSER_BENCH_DIR", "build/asan/tests"), "kube_probe")
S3 = {"s3": {"key": "a/b"}}


class Probe:
    def __init__(self, fake, *args, namespaces="", token="first"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="purser-kube-"))
        (self.dir / "token").write_text(token + "\n")
        self.config = self.dir / "config"
        self.config.write_text(json.dumps({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u",
                                                                           "namespace": "argo"}}],
            "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{fake.port}/"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}]}))
        self.open(self.dir, *args, namespaces=namespaces)

    def open(self, place, *args, namespaces=""):
        self.dir = place
        self.config = place / "config"
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen([PROBE, str(self.config), namespaces, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)

    def next(self):
        """The next line; when none comes for a minute, something is lost."""
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        assert line, (self.dir / "log").read_text()[-3000:]
        return json.loads(line)

    def until(self, event):
        """All events up to that kind, without it."""
        seen = []
        while (line := self.next())["event"] != event:
            seen.append(line)
        return seen, line

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0, (self.dir / "log").read_text()
        self.process.stdout.close()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            print((self.dir / "log").read_text()[-4000:])
            self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def names(events):
    return [event["name"] for event in events]


def lists_and_watches(fake):
    for i in range(1203):
        fake.put(workflow(f"w{i:05}", artifacts=[("main", {"s3": {"key": f"k/{i}"}}, None)]))
    with Probe(fake) as probe:
        assert probe.next() == {"event": "list_begun", "ns": ""}
        seen, _ = probe.until("listed")
        assert names(seen) == [f"w{i:05}" for i in range(1203)]
        assert seen[7]["artifacts"] == [{"url": "s3://bkt/k/7", "name": "main", "strategy": "",
                                         "node_status": "Succeeded", "endpoint": "minio:9000"}]
        fake.wait_watch(1)
        fake.put(workflow("new"))
        assert probe.next()["name"] == "new"
        fake.put(workflow("new", "Succeeded"))
        told = probe.next()
        assert told["phase"] == "Succeeded" and told["finished"] and told["finished_at"] == 1767323105, told
        fake.delete("new")
        told = probe.next()
        assert told["event"] == "deleted" and told["uid"] == "uid-argo-new"


def goes_on_where_it_was(fake):
    """A cut connection and a bookmark: no list, no event twice, none lost."""
    fake.put(workflow("one"))
    with Probe(fake) as probe:
        probe.until("listed")
        fake.wait_watch(1)
        fake.put(workflow("two"))
        assert probe.next()["name"] == "two"
        fake.bookmark()
        at = fake.version
        fake.cut()
        fake.wait_watch(2)
        fake.put(workflow("three"))
        assert probe.next()["name"] == "three"
        assert fake.watch_versions[1] == at, (fake.watch_versions, at)


def expired(fake):
    """410: a list; what was deleted meanwhile is not in it."""
    fake.put(workflow("stays"))
    fake.put(workflow("goes"))
    with Probe(fake) as probe:
        probe.until("listed")
        fake.wait_watch(1)
        fake.delete("goes", tell=False)
        fake.expire()
        assert probe.next() == {"event": "list_begun", "ns": ""}
        seen, listed = probe.until("listed")
        assert names(seen) == ["stays"] and listed["whole"]
        # also as an HTTP status, when a watch begins
        fake.wait_watch(2)
        with fake.lock:
            fake.version += 5
            fake.oldest = fake.version
        fake.cut()
        assert probe.next() == {"event": "list_begun", "ns": ""}
        probe.until("listed")


def pages_that_expire(fake):
    for i in range(600):
        fake.put(workflow(f"w{i:05}"))
    fake.list_fails = [503, 429]
    fake.page_fails = [410, 500]
    with Probe(fake, "--pause", "7") as probe:
        first, _ = probe.until("list_begun")
        assert first == []
        seen, last = [], None
        while last is None or last["event"] != "listed":
            last = probe.next()
            seen = [] if last["event"] == "list_begun" else seen + [last]
        assert names(seen[:-1]) == [f"w{i:05}" for i in range(600)]


def token_is_read_again(fake):
    fake.put(workflow("one"))
    with Probe(fake) as probe:
        probe.until("listed")
        fake.wait_watch(1)
        (probe.dir / "token").write_text("second")
        fake.token = "second"
        fake.cut()
        fake.wait_watch(2)
        fake.put(workflow("two"))
        assert probe.next()["name"] == "two"


def namespaces(fake):
    fake.put(workflow("a", ns="one"))
    fake.put(workflow("b", ns="two"))
    fake.put(workflow("c", ns="three"))
    with Probe(fake, namespaces="one,two") as probe:
        seen = [probe.next() for _ in range(6)]
        assert sorted(names(event for event in seen if event["event"] == "workflow")) == ["a", "b"]
        assert sorted(event["ns"] for event in seen if event["event"] == "listed") == ["one", "two"]


def locations(fake):
    """Where artifacts lie, and their strategy: their own words first, then the workflow's and the repository's."""
    config = "url: s3://plugged/prefix\nregion: x\n"
    artifacts = [
        ("own", {"s3": {"key": "k1", "bucket": "other", "endpoint": "e"}}, "Never"),
        ("repository", S3, None),
        ("oss", {"oss": {"key": "k2", "bucket": "ob", "endpoint": "oss-cn"}}, "OnWorkflowCompletion"),
        ("plugin", {"plugin": {"name": "purser", "key": "p/q", "configuration": config}}, None),
        ("foreign plugin", {"plugin": {"name": "x", "key": "p", "configuration": "what: ever"}}, None),
        ("git", {"git": {"repo": "r"}}, None),
        ("no key", {"s3": {"bucket": "b"}}, None),
    ]
    plain = workflow("plain", "Failed", artifacts, strategy="OnWorkflowDeletion")
    nodes = plain["status"]["nodes"]
    compressed = workflow("compressed", "Error", artifacts, strategy="OnWorkflowDeletion")
    compressed["status"]["nodes"] = None
    compressed["status"]["compressedNodes"] = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    gone = workflow("gone", "Succeeded", [("x", dict(S3, deleted=True), None)])
    offloaded = workflow("offloaded", "Succeeded", offloadNodeStatusVersion="fnv:1")
    offloaded["status"]["nodes"] = None
    broken = workflow("broken", "Succeeded", compressedNodes="AAAA")
    bomb = workflow("bomb", "Succeeded",
                    compressedNodes=base64.b64encode(gzip.compress(b" " * 64 * 1024 * 1024)).decode())
    for item in (plain, compressed, gone, offloaded, broken, bomb):
        fake.put(item)
    with Probe(fake) as probe:
        probe.next()
        seen, listed = probe.until("listed")
        assert listed["whole"] is False  # what is broken is not gone
        by_name = {event["name"]: event for event in seen}
        assert set(by_name) == {"plain", "compressed", "gone", "offloaded"}, by_name
        for name in ("plain", "compressed"):
            got = [(a["url"], a["strategy"], a["endpoint"]) for a in by_name[name]["artifacts"]]
            assert got == [("s3://other/k1", "Never", "e"), ("s3://bkt/a/b", "OnWorkflowDeletion", "minio:9000"),
                           ("oss://ob/k2", "OnWorkflowCompletion", "oss-cn"),
                           ("s3://plugged/prefix/p/q", "OnWorkflowDeletion", "")], got
        assert by_name["gone"]["artifacts"] == []
        assert by_name["offloaded"]["offloaded"] and by_name["offloaded"]["artifacts"] == []
        log = (probe.dir / "log").read_text()
        assert "argo/broken: compressedNodes: no gzip" in log and "argo/bomb" in log, log[-2000:]


def one_leader(fake):
    fake.put(workflow("one"))
    with Probe(fake, "--lease", "purser", "first", "1500") as first:
        assert first.next() == {"event": "leads", "leads": True}
        first.until("listed")
        second = Probe(fake, "--lease", "purser", "second", "1500")
        lease = fake.leases["/apis/coordination.k8s.io/v1/namespaces/argo/leases/purser"]
        before = lease["spec"]["renewTime"]
        deadline = time.monotonic() + 20  # until the first has renewed it under the second's eyes
        while fake.leases["/apis/coordination.k8s.io/v1/namespaces/argo/leases/purser"]["spec"]["renewTime"] == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        first.process.kill()
        first.process.wait()
        assert second.next() == {"event": "leads", "leads": True}
        lease = fake.leases["/apis/coordination.k8s.io/v1/namespaces/argo/leases/purser"]
        assert lease["spec"]["holderIdentity"] == "second" and lease["spec"]["leaseTransitions"] == 1, lease
        second.until("listed")
        # taken by another one: it stops at once when it sees it
        lease["spec"]["holderIdentity"] = "third"
        lease["metadata"]["resourceVersion"] = "9999999"
        _, told = second.until("leads")
        assert told["leads"] is False
        second.close()
        first.close = lambda: None


def main():
    for step in (lists_and_watches, goes_on_where_it_was, expired, pages_that_expire, token_is_read_again, namespaces,
                 locations, one_leader):
        fake = FakeKube()
        started = time.monotonic()
        step(fake)
        fake.close()
        print(f"{step.__name__} {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
