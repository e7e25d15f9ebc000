#!/usr/bin/env python3
"""From a cluster's workflows to deleted objects: the watcher's records, the planner and the sweeper. Usage: watch.py"""
import json
import os
import subprocess
import tempfile
import time

from fake_kube import FakeKube, workflow
from rig import Rig

PROBE = os.path.join(os.environ.get("PURSER_BENCH_DIR", "build/asan/tests"), "watch_probe")


class Watcher:
    def __init__(self, rig, fake, config=None, argo_server=None):
        self.rig = rig
        self.log = rig.dir / "watch.log"
        if config is None:
            config = rig.dir / "kubeconfig"
            self.write(config, fake)
        self.process = subprocess.Popen([PROBE, str(config), str(rig.dir / "state"), "900",
                                         *([argo_server] if argo_server else [])], env=rig.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.log, "ab"),
                                        text=True)

    @staticmethod
    def write(config, fake):
        config.write_text(json.dumps({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u",
                                                                           "namespace": "argo"}}],
            "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{fake.port}"}}],
            "users": [{"name": "u", "user": {"token": "first"}}]}))

    def until(self, **wanted):
        """Wait for counts of at least that much."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            assert line, self.log.read_text()[-3000:]
            counts = json.loads(line)
            if all(counts[name] >= value for name, value in wanted.items()):
                return counts
        raise AssertionError(wanted)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(timeout=30) == 0, self.log.read_text()[-3000:]
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def location(rig, key):
    """A file:// store is named by a plugin's configuration, a bucket by s3."""
    if rig.kind == "file":
        return {"plugin": {"name": "purser", "key": key, "configuration": f"url: {rig.root}\n"}}
    return {rig.root.split(":")[0]: {"key": key, "bucket": "bkt", "endpoint": f"127.0.0.1:{rig.port}"}}


def main(kind):
    with Rig(kind) as rig:
        fake = FakeKube()
        stored = {}
        for name in ("done-completion", "done-deletion", "done-never", "gone-completion", "gone-away", "other-place"):
            stored[name] = rig.stored(f"wf/{name}")
            stored[name].parent.mkdir(exist_ok=True)
            stored[name].write_bytes(b"artifact")

        def item(name, key, strategy, phase="Running", **more):
            made = workflow(name, phase, [("main", location(rig, f"wf/{key}"), strategy)], **more)
            del made["metadata"]["labels"]
            return made

        fake.put(item("a", "done-completion", "OnWorkflowCompletion"))
        fake.put(item("b", "done-deletion", "OnWorkflowDeletion"))
        fake.put(item("c", "done-never", "Never"))
        fake.put(item("d", "gone-completion", "OnWorkflowCompletion"))
        fake.put(item("e", "gone-away", "OnWorkflowDeletion", "Succeeded"))
        foreign = item("f", "other-place", "OnWorkflowCompletion", "Succeeded")
        if kind != "file":
            foreign["status"]["nodes"]["f-1"]["outputs"]["artifacts"][0]["s3"]["endpoint"] = "elsewhere:9000"
        else:
            foreign["spec"], foreign["status"]["phase"] = {}, "Running"
        fake.put(foreign)
        expected = 6 if kind == "file" else 5
        with Watcher(rig, fake) as watcher:
            counts = watcher.until(lists=1, artifacts=expected, settled=True)
            assert counts["artifacts"] == expected, counts
            assert kind == "file" or counts["foreign"] == 1, counts
            fake.wait_watch(1)
            for name, key, strategy in (("a", "done-completion", "OnWorkflowCompletion"),
                                        ("b", "done-deletion", "OnWorkflowDeletion"), ("c", "done-never", "Never")):
                fake.put(item(name, key, strategy, "Succeeded"))
            watcher.until(workflows=9)
        rig.run("reclaims", "run", "--max", "100%")
        left = {name for name, path in stored.items() if path.exists()}
        assert left == set(stored) - {"done-completion"}, left

        # while nobody watches: one is deleted, one finishes and is deleted; another agent's list finds it out
        fake.delete("e", tell=False)
        fake.delete("d", tell=False)
        with Watcher(rig, fake) as watcher:
            counts = watcher.until(lists=1, absent=2)
            fake.wait_watch(2)
            fake.delete("b")
            watcher.until(deleted=1)
            # a list that holds something unreadable proves nothing
            fake.put(item("broken", "x", "Never", compressedNodes="AAAA"), tell=False)
            fake.delete("c", tell=False)
            fake.expire()
            fake.wait_watch(3)
        log = watcher.log.read_text()
        assert "none is taken for deleted" in log, log[-2000:]
        rig.run("reclaims", "run", "--max", "100%")
        left = {name for name, path in stored.items() if path.exists()}
        assert left == {"done-never", "other-place"}, (left, rig.run("reclaims", "ls", "--why")[0])
        fake.close()
        print(f"{kind}: completion, deletion, deletion while away, foreign endpoints, broken lists")


def offloaded():
    """Nodes in Argo's database: the Argo server has them; without one, or when it has not, they are kept."""
    with Rig("file") as rig:
        fake = FakeKube()
        stored = {name: rig.stored(f"wf/{name}") for name in ("known", "unknown")}
        stored["known"].parent.mkdir()
        for name, path in stored.items():
            path.write_bytes(b"artifact")
            made = workflow(name, "Succeeded", [("main", location(rig, f"wf/{name}"), "OnWorkflowCompletion")],
                            offloadNodeStatusVersion="fnv:1")
            del made["metadata"]["labels"]
            nodes = made["status"].pop("nodes")
            if name == "known":
                fake.offloaded["argo", name] = nodes
            fake.put(made)
        with Watcher(rig, fake) as watcher:
            counts = watcher.until(lists=1, workflows=2, settled=True)
            assert counts["artifacts"] == 0, counts
        assert watcher.log.read_text().count("set watch.argo_server") == 2
        with Watcher(rig, fake, argo_server=f"http://127.0.0.1:{fake.port}/") as watcher:
            watcher.until(artifacts=1, settled=True)
            deadline = time.monotonic() + 30
            while "argo/unknown: its nodes are in Argo's database, and" not in watcher.log.read_text():
                assert time.monotonic() < deadline, watcher.log.read_text()[-2000:]
                time.sleep(0.02)
        asked = [path for path, _ in fake.requests if path.startswith("/api/v1")]
        assert sorted(asked) == ["/api/v1/workflows/argo/known", "/api/v1/workflows/argo/unknown"], asked
        rig.run("reclaims", "run", "--max", "100%")
        assert not stored["known"].exists() and stored["unknown"].exists()
        wrong = subprocess.run([PROBE, str(rig.dir / "kubeconfig"), str(rig.dir / "state"), "900", "argo:2746"],
                               env=rig.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert "watch.argo_server: 'argo:2746' is no URL" in wrong.stderr, wrong.stderr
        fake.close()
        print("offloaded nodes: from the Argo server, else kept")


def agent(kind):
    """The whole of it: `purser agent --watch` sees a workflow that has ended, and its artifact goes."""
    with Rig(kind) as rig:
        fake = FakeKube()
        if kind == "oss":
            rig.oss2_bucket().put_object("wf/one", b"artifact")
        else:
            rig.stored("wf/one").parent.mkdir()
            rig.stored("wf/one").write_bytes(b"artifact")

        def is_there():
            return rig.oss2_bucket().object_exists("wf/one") if kind == "oss" else rig.stored("wf/one").exists()

        done = workflow("a", "Succeeded", [("main", location(rig, "wf/one"), "OnWorkflowCompletion")])
        del done["metadata"]["labels"]
        fake.put(done)
        Watcher.write(rig.dir / "kubeconfig", fake)
        settings = rig.dir / "purser.yaml"
        settings.write_text(f"gateway:\n  listen: 127.0.0.1:0\nwatch:\n  kubeconfig: {rig.dir}/kubeconfig\n"
                            "reclaim:\n  interval: 1s\n  fuse:\n    percent: 100\n")
        process = rig.start("agent", "--watch", "--config", settings)
        deadline = time.monotonic() + 60
        while is_there() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_there()
        process.terminate()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        fake.close()
        print(f"{kind}: agent --watch")


if __name__ == "__main__":
    for each in ("file", "versitygw"):
        main(each)
        agent(each)
    agent("oss")
    offloaded()
