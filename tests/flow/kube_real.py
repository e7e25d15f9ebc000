#!/usr/bin/env python3
"""The workflow watcher and the lease against a real kube-apiserver, as the example's service account."""
import json
import pathlib
import random
import subprocess
import tempfile
import time

import kube
from fake_kube import workflow
from real_kube import ROOT, RealKube
from rig import LONG, Rig
from watch import PROBE as WATCH_PROBE
from watch import Watcher

MANY = 10000 if LONG else 1000


def artifacts(name, count, gc=None):
    return [(f"out-{i}", {"s3": {"key": f"{name}/out-{i}.tgz"}}, gc) for i in range(count)]


class Probe(kube.Probe):
    """The same probe, with a kubeconfig of the real server's."""

    def __init__(self, real, token, *args):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="purser-kube-"))
        real.kubeconfig(self.place / "config", token)
        self.open(self.place, *args)


def rss_anon_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    return 0


def live(real, token):
    real.create(workflow("one", artifacts=artifacts("one", 2, "OnWorkflowCompletion")))
    real.create(workflow("two", "Succeeded", artifacts("two", 1)))
    with Probe(real, token) as probe:
        assert probe.next()["event"] == "list_begun"
        seen, listed = probe.until("listed")
        assert kube.names(seen) == ["one", "two"] and listed["whole"]
        assert [a["url"] for a in seen[0]["artifacts"]] == ["s3://bkt/one/out-0.tgz", "s3://bkt/one/out-1.tgz"]
        assert [a["strategy"] for a in seen[0]["artifacts"]] == ["OnWorkflowCompletion"] * 2
        real.patch("one", {"status": {"phase": "Succeeded", "finishedAt": "2026-01-02T03:05:05Z"}})
        told = probe.next()
        assert told["name"] == "one" and told["finished"], told
        real.delete("one")
        assert probe.next()["event"] == "deleted"
        # the server goes away and comes back: what happened meanwhile is told, by events or by a list
        real.kill()
        real.start()
        real.create(workflow("three"))
        real.delete("two")
        known, gone = {"two"}, False
        while "three" not in known or not gone:
            told = probe.next()
            if told["event"] == "list_begun":
                fresh = set()
            elif told["event"] == "workflow":
                known.add(told["name"])
                if "fresh" in locals():
                    fresh.add(told["name"])
            elif told["event"] == "deleted":
                gone = gone or told["name"] == "two"
            elif told["event"] == "listed":
                gone = gone or "two" not in fresh
    real.delete("three")


def examples(real, _):
    """What examples/argo holds is what a real server takes, and what purser reads."""
    folder = ROOT / "examples/argo"
    for name in ("artifact-driver.yaml", "agent.yaml"):
        real.apply(folder / name)
    with Rig("file") as rig:
        (settings,) = real.apply(folder / "settings.yaml")
        (rig.dir / "purser.yaml").write_text(settings["data"]["purser.yaml"])
        rig.run("policy", "list", "--config", rig.dir / "purser.yaml")
        (policies,) = real.apply(folder / "policies.yaml")
        (rig.dir / "policies").mkdir()
        for name, text in policies["data"].items():
            (rig.dir / "policies" / name).write_text(text)
        rig.run("policy", "check", rig.dir / "policies")
    for name in ("big-file.yaml", "two-strategies.yaml"):
        (made,) = real.apply(folder / name)
        real.delete(made["metadata"]["name"])


def leaders(real, token):
    with Probe(real, token, "--lease", "purser-agent", "first", "3000") as first:
        assert first.next() == {"event": "leads", "leads": True}
        second = Probe(real, token, "--lease", "purser-agent", "second", "3000")
        first.process.kill()
        first.process.wait()
        assert second.next() == {"event": "leads", "leads": True}
        lease = real.ask("GET", "/apis/coordination.k8s.io/v1/namespaces/argo/leases/purser-agent")
        assert lease["spec"]["holderIdentity"] == "second", lease
        second.close()
        first.close = lambda: None


def nothing_is_lost(real, token):
    """Agents killed, the API server killed, watches expired: what the last one writes down is what happened."""
    rng = random.Random(7)
    with Rig("file") as rig:
        config = rig.dir / "kubeconfig"
        real.kubeconfig(config, token)
        alive = {f"n{i:03}": "Running" for i in range(120)}
        truth = dict(alive)
        real.create_many(workflow(name, "Running", artifacts(name, 2, "OnWorkflowDeletion")) for name in alive)
        agent = None
        for round_number in range(12):
            if agent is None:
                agent = subprocess.Popen([WATCH_PROBE, str(config), str(rig.dir / "state"), "900"], env=rig.env,
                                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                         stderr=open(rig.dir / "agent.log", "ab"))
            for _ in range(12):
                name = rng.choice(sorted(alive))
                if alive[name] == "Running":
                    alive[name] = truth[name] = rng.choice(["Succeeded", "Failed"])
                    real.patch(name, {"status": {"phase": alive[name], "finishedAt": "2026-01-02T03:05:05Z"}})
                else:
                    del alive[name]
                    truth[name] = "deleted"
                    real.delete(name)
            if round_number % 3 == 1:
                agent.kill()
                agent.wait()
                agent = None
            if round_number % 4 == 2:
                real.kill()
                real.start()
        if agent:
            agent.kill()
            agent.wait()
        agent = Watcher(rig, None, config)
        agent.until(lists=1, settled=True)
        agent.process.stdin.close()
        assert agent.process.wait(timeout=60) == 0
        known = {}
        for line in rig.run("workflow", "ls", "--json")[0].splitlines():
            row = json.loads(line)
            known[row["name"]] = "deleted" if row["deleted"] else row["status"]
        # deleted before any agent had seen it: nobody can know of it, and nothing of it is on record
        unknown = {name for name in truth if name not in known}
        assert all(truth[name] == "deleted" for name in unknown), unknown
        wrong = {name: (truth[name], known[name]) for name in known if truth.get(name) != known[name]}
        assert not wrong, wrong
        print(f"{len(known)} workflows as they are, {sum(v == 'deleted' for v in known.values())} of them deleted")
    for name in alive:
        real.delete(name)


def many(real, token):
    started = time.monotonic()
    real.create_many(workflow(f"w{i:05}", "Succeeded", artifacts(f"w{i:05}", 10)) for i in range(MANY))
    made = time.monotonic()
    with Probe(real, token) as probe:
        assert probe.next()["event"] == "list_begun"
        seen, listed = probe.until("listed")
        assert listed["whole"] and len(seen) == MANY and sum(len(w["artifacts"]) for w in seen) == 10 * MANY
        took = time.monotonic() - made
        print(f"{MANY} workflows with 10 artifacts each: made in {made - started:.0f} s, listed in {took:.1f} s, "
              f"RssAnon {rss_anon_kib(probe.process.pid) / 1024:.1f} MiB")


def main():
    with RealKube() as real:
        token = real.install_argo()
        for step in (examples, live, leaders, nothing_is_lost, many):
            started = time.monotonic()
            step(real, token)
            print(f"{step.__name__} {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
