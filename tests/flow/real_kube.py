"""A real kube-apiserver with etcd, for one test; and Workflows in it."""
import json
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from rig import free_port, wait_for_port

ADMIN = "purser-test-admin"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class RealKube:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="purser-apiserver-"))
        self.etcd_port, self.port = free_port(), free_port()
        peer = free_port()
        (self.dir / "tokens.csv").write_text(f"{ADMIN},admin,admin,system:masters\n")
        subprocess.run(["openssl", "genrsa", "-out", str(self.dir / "sa.key"), "2048"], check=True,
                       capture_output=True)
        self.log = open(self.dir / "log", "ab")
        self.etcd = subprocess.Popen(
            ["etcd", "--data-dir", str(self.dir / "etcd"), "--listen-client-urls", f"http://127.0.0.1:{self.etcd_port}",
             "--advertise-client-urls", f"http://127.0.0.1:{self.etcd_port}", "--listen-peer-urls",
             f"http://127.0.0.1:{peer}", "--unsafe-no-fsync"], stdout=self.log, stderr=self.log)
        wait_for_port(self.etcd_port, self.etcd)
        self.start()

    def start(self):
        self.server = subprocess.Popen(
            ["kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
             f"--service-account-key-file={self.dir}/sa.key", f"--service-account-signing-key-file={self.dir}/sa.key",
             "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC",
             f"--token-auth-file={self.dir}/tokens.csv", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
             f"--cert-dir={self.dir}/certs", "--service-cluster-ip-range=10.0.0.0/24",
             "--disable-admission-plugins=ServiceAccount"], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.server.poll() is None, (self.dir / "log").read_text()[-3000:]
            try:
                if self.ask("GET", "/readyz", raw=True) == b"ok":
                    return
            except (OSError, AssertionError):
                time.sleep(0.1)
        raise RuntimeError("the API server is not ready")

    def kill(self):
        self.server.kill()
        self.server.wait()

    def close(self):
        self.kill()
        self.etcd.kill()
        self.etcd.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, path, body=None, kind="application/json", raw=False):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data=data, method=method, headers={
            "Authorization": f"Bearer {ADMIN}", "Content-Type": kind})
        context = ssl.create_default_context(cafile=str(self.dir / "certs" / "apiserver.crt"))
        context.check_hostname = False
        try:
            with urllib.request.urlopen(request, context=context, timeout=60) as answer:
                got = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:600]}") from error
        return got if raw else json.loads(got)

    def apply(self, path):
        """Create the objects of a YAML file, each at its place, and return them as the server has them."""
        made = []
        places = {"ServiceAccount": "/api/v1/namespaces/argo/serviceaccounts",
                  "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                  "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                  "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/argo/roles",
                  "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/argo/rolebindings",
                  "ConfigMap": "/api/v1/namespaces/argo/configmaps",
                  "PersistentVolumeClaim": "/api/v1/namespaces/argo/persistentvolumeclaims",
                  "Deployment": "/apis/apps/v1/namespaces/argo/deployments",
                  "Workflow": self.place(),
                  "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"}
        for text in path.read_text().split("\n---\n"):
            kind = next(line.split()[1] for line in text.splitlines() if line.startswith("kind:"))
            made.append(self.ask("POST", f"{places[kind]}?fieldValidation=Strict", text, kind="application/yaml"))
        return made

    @staticmethod
    def module():
        """Where Argo's own module lies."""
        done = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-workflows/v4"],
                              cwd=ROOT / "tests/argo", capture_output=True, text=True, check=True)
        return pathlib.Path(done.stdout.strip())

    def install_argo(self):
        """The namespace, Argo's Workflow CRD, and the example's roles. Returns a token of the agent's account."""
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
        self.apply(self.module() / "manifests/base/crds/full/argoproj.io_workflows.yaml")
        self.apply(ROOT / "examples/argo/rbac.yaml")
        deadline = time.monotonic() + 60  # until the API of the new kind is served
        while time.monotonic() < deadline:
            try:
                self.ask("GET", "/apis/argoproj.io/v1alpha1/workflows")
                break
            except AssertionError:
                time.sleep(0.1)
        answer = self.ask("POST", "/api/v1/namespaces/argo/serviceaccounts/purser-agent/token",
                          {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                           "spec": {"expirationSeconds": 3600}})
        return answer["status"]["token"]

    def kubeconfig(self, path, token):
        path.write_text(json.dumps({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u",
                                                                           "namespace": "argo"}}],
            "clusters": [{"name": "k", "cluster": {"server": f"https://127.0.0.1:{self.port}",
                                                   "certificate-authority": str(self.dir / "certs/apiserver.crt")}}],
            "users": [{"name": "u", "user": {"token": token}}]}))

    def place(self, name=""):
        return "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows" + (f"/{name}" if name else "")

    def create(self, item):
        for field in ("uid", "creationTimestamp", "resourceVersion"):
            item["metadata"].pop(field, None)
        return self.ask("POST", self.place(), item)

    def create_many(self, items, threads=8):
        queue = list(items)
        failures = []

        def work():
            while queue:
                try:
                    self.create(queue.pop())
                except (AssertionError, IndexError) as error:
                    failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, failures[:3]

    def patch(self, name, change):
        return self.ask("PATCH", self.place(name), change, kind="application/merge-patch+json")

    def delete(self, name):
        return self.ask("DELETE", self.place(name))
