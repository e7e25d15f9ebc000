#!/usr/bin/env python3
"""Argo's own workflow-controller and `argoexec artifact delete` with the plugin and a real kube-apiserver.

There is no kubelet: this script says what became of the pods that the controller makes, and runs in their place what they
would. Needs workflow-controller and argoexec of tests/argo/build_argo.sh."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import plugin_delete
from agent_rig import Agent
from plugin import Plugin
from real_kube import ADMIN, ROOT, RealKube
from rig import Rig

PLUGINS = pathlib.Path("/tmp/artifact-plugins")  # where Argo looks for sockets: its constant
CRDS = ("workflows", "workflowtaskresults", "workflowtasksets", "workflowartifactgctasks", "workflowtemplates",
        "cronworkflows", "clusterworkflowtemplates", "workfloweventbindings")
WATCHED = """
local function reclaim(artifact, workflow)
  if workflow and workflow.name == 'watched' then
    local wanted = purser.glob('**/goes', artifact.key) and 'completed' or 'deleted'
    return artifact.event == wanted and { action = 'delete', reason = 'the workflow was ' .. wanted } or nil
  end
end

return { api = 1, name = 'watched', reclaim = reclaim }
"""
IMAGE = "registry.example/purser:0.1.0"
API = "/apis/argoproj.io/v1alpha1/namespaces/argo"
PODS = "/api/v1/namespaces/argo/pods"


class Controller:
    """Argo's workflow-controller with the driver of examples/argo."""

    def __init__(self, kube, rig):
        self.log = rig.dir / "controller.log"
        kubeconfig = rig.dir / "kubeconfig"
        kube.kubeconfig(kubeconfig, ADMIN)
        (config,) = kube.apply(ROOT / "examples/argo/artifact-driver.yaml")
        config["data"]["images"] = json.dumps({image: {"entrypoint": [command]} for image, command in (
            (IMAGE, "/usr/bin/purser-plugin"), ("busybox", "sh"))})
        kube.ask("PUT", f"/api/v1/namespaces/argo/configmaps/{config['metadata']['name']}", config)
        env = dict(os.environ, LEADER_ELECTION_DISABLE="true", KUBECONFIG=str(kubeconfig))
        self.process = subprocess.Popen(
            ["workflow-controller", "--kubeconfig", str(kubeconfig), "--namespaced", "--executor-image",
             "argoexec:test"], env=env, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, cwd=rig.dir)
        self.kubeconfig = kubeconfig

    def text(self):
        return self.log.read_text(errors="replace")

    def close(self):
        self.process.kill()
        self.process.wait()


def until(what, ask, controller):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        assert controller.process.poll() is None, controller.text()[-4000:]
        time.sleep(0.2)
    raise AssertionError(f"{what() if callable(what) else what}\n{controller.text()[-6000:]}")


def pods(kube, part):
    return [pod for pod in kube.ask("GET", PODS)["items"] if (part in pod["metadata"]["name"])]


def finish(kube, pod):
    """What a kubelet reports of a pod that has ended well."""
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": "2026-01-02T03:04:05Z",
                            "finishedAt": "2026-01-02T03:05:05Z"}}
    status = {"phase": "Succeeded", "containerStatuses": [
        {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0,
         "state": ended} for container in pod["spec"]["containers"]]}
    kube.ask("PATCH", f"{PODS}/{pod['metadata']['name']}/status", {"status": status},
             kind="application/strategic-merge-patch+json")


def artifact(rig, run, name):
    return {"name": name, "path": f"/tmp/{name}", "archive": {"none": {}}, "plugin": {
        "name": "purser", "key": f"{run}/{name}", "configuration": f"url: {rig.root}/prefix\n"}}


def make_workflow(rig, kube, run, names, **spec):
    outputs = {"artifacts": [artifact(rig, run, name) for name in names]}
    return kube.create({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": run, "namespace": "argo"},
        "spec": dict(spec, entrypoint="main", templates=[
            {"name": "main", "container": {"image": "busybox", "command": ["sh"]}, "outputs": outputs}])})


def check_pod(pod):
    """The controller gives the step's pod the plugin as a sidecar, started by name with its socket."""
    sidecars = [c for c in pod["spec"]["containers"] if c["name"].startswith("artifact-plugin-")]
    assert len(sidecars) == 1 and sidecars[0]["image"] == IMAGE, json.dumps(pod["spec"])[:3000]
    words = [*sidecars[0].get("command", []), *sidecars[0].get("args", [])]
    at = words.index("/usr/bin/purser-plugin")
    assert words[at + 1:] == ["/tmp/artifact-plugins/purser/socket"], words


def run_step(rig, kube, controller, plugin, run, names):
    """The step's pod: what argoexec saves, and what it reports; then the workflow ends."""
    (pod,) = until("the step's pod", lambda: pods(kube, run), controller)
    check_pod(pod)
    source = rig.source("source", 1000)
    for name in names:
        plugin.run("save", source, f"{run}/{name}")
    node = pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"]
    kube.ask("POST", f"{API}/workflowtaskresults", {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTaskResult", "metadata": {"name": node, "labels": {
            "workflows.argoproj.io/workflow": run, "workflows.argoproj.io/report-outputs-completed": "true"}},
        "outputs": {"artifacts": [artifact(rig, run, name) for name in names]}})
    finish(kube, pod)
    until("the workflow ends", lambda: kube.ask("GET", f"{API}/workflows/{run}").get("status", {}).get(
        "phase") == "Succeeded", controller)


def collect_garbage(rig, kube, controller):
    """The GC pod: Argo's own argoexec calls the plugin for each artifact and reports."""
    (pod,) = until("the GC pod", lambda: pods(kube, "artgc"), controller)
    container = next(c for c in pod["spec"]["containers"] if "delete" in c.get("args", []))
    env = dict(os.environ, KUBECONFIG=str(controller.kubeconfig))
    env.update({entry["name"]: entry["value"] for entry in container["env"] if entry.get("value")})
    env.update(ARGO_POD_NAME=pod["metadata"]["name"], ARGO_ARTIFACT_PLUGIN_NAMES="")
    done = subprocess.run(["argoexec", "artifact", "delete", "--namespace", "argo"], env=env, cwd=rig.dir,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    finish(kube, pod)


def by_argo(rig, kube, controller, plugin):
    """Argo deletes, by artifactGC: at once or later, as the plugin's policies say."""
    make_workflow(rig, kube, "run", ("now", "later"), artifactGC={"strategy": "OnWorkflowCompletion"})
    run_step(rig, kube, controller, plugin, "run", ("now", "later"))
    collect_garbage(rig, kube, controller)
    until("the finalizer goes", lambda: not kube.ask("GET", f"{API}/workflows/run")["metadata"].get("finalizers"),
          controller)
    left = [path.name for path in rig.stored("prefix/run").iterdir()]
    assert left == ["later"], left
    assert len(plugin_delete.markers(rig)) == 1
    (node,) = kube.ask("GET", f"{API}/workflows/run")["status"]["nodes"].values()
    assert all(one["deleted"] for one in node["outputs"]["artifacts"]), node
    print("Argo's controller and argoexec: the step's sidecar, Save, GC by policy, the finalizer goes")


def by_agent(rig, kube, controller, plugin):
    """Argo deletes nothing: the agent sees what the controller writes, and its policies decide."""
    policies = rig.dir / "agent-policies"
    policies.mkdir()
    (policies / "50-watched.lua").write_text(WATCHED)
    make_workflow(rig, kube, "watched", ("goes", "stays"))
    run_step(rig, kube, controller, plugin, "watched", ("goes", "stays"))
    assert not kube.ask("GET", f"{API}/workflows/watched")["metadata"].get("finalizers")
    with Agent(rig, stores=f"  artifacts: {{ url: \"{rig.root}/prefix\" }}\n", flags=("--watch",),
               top=f"watch:\n  kubeconfig: {controller.kubeconfig}\nreclaim:\n  interval: 200ms\n  fuse:\n"
                   "    percent: 100\n", env={"PURSER_POLICY_PATH": str(policies)}) as agent:
        until(agent.log, lambda: not rig.stored("prefix/watched/goes").exists(), controller)
        until(agent.log, lambda: not plugin_delete.markers(rig), controller)
        kube.delete("watched")
        until(agent.log, lambda: not rig.stored("prefix/watched/stays").exists(), controller)
    rows = [json.loads(line) for line in rig.run("reclaims", "ls", "--json")[0].splitlines()]
    assert [row["url"] for row in rows] == [rig.url("prefix/run/later")], rows
    assert rig.stored("prefix/run/later").exists()
    print("the agent: completion and deletion of a workflow of Argo's, and what the plugin left for later")


def main():
    assert not PLUGINS.exists(), f"{PLUGINS} is there: something else uses it"
    try:
        with Rig("file") as rig, RealKube() as kube:
            kube.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
            for name in CRDS:
                kube.apply(kube.module() / f"manifests/base/crds/full/argoproj.io_{name}.yaml")
            kube.ask("POST", "/api/v1/namespaces/argo/serviceaccounts", {"metadata": {"name": "default"}})
            policies = rig.dir / "policies"
            policies.mkdir()
            (policies / "50-delays.lua").write_text(plugin_delete.POLICY.replace("**later/**", "**/later"))
            controller = Controller(kube, rig)
            try:
                with Plugin(rig, listen=str(PLUGINS / "purser/socket"), PURSER_POLICY_PATH=str(policies)) as plugin:
                    by_argo(rig, kube, controller, plugin)
                    by_agent(rig, kube, controller, plugin)
            finally:
                controller.close()
    finally:
        shutil.rmtree(PLUGINS, ignore_errors=True)


if __name__ == "__main__":
    main()
