"""A small API server for Workflows and Leases that does what a test tells it: pages, events, expiry, cuts."""
import json
import queue
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def workflow(name, phase="Running", artifacts=(), strategy=None, ns="argo", uid=None, **extra):
    """As Argo writes it. artifacts: (name, location, artifactGC or None)."""
    outputs = []
    for art_name, location, gc in artifacts:
        outputs.append(dict(name=art_name, path="/out", **location, **({"artifactGC": {"strategy": gc}} if gc else {})))
    spec = {"entrypoint": "main"}
    if strategy:
        spec["artifactGC"] = {"strategy": strategy}
    status = {"phase": phase, "startedAt": "2026-01-02T03:04:05Z",
              "artifactRepositoryRef": {"default": True, "artifactRepository": {
                  "s3": {"bucket": "bkt", "endpoint": "minio:9000", "keyFormat": "x"}}},
              "nodes": {f"{name}-1": {"id": f"{name}-1", "name": name, "displayName": "main", "type": "Pod", "phase": "Succeeded",
                                      "finishedAt": "2026-01-02T03:05:00Z", "outputs": {"artifacts": outputs}}}}
    if phase not in ("Running", "Pending"):
        status["finishedAt"] = "2026-01-02T03:05:05Z"
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"name": name, "namespace": ns, "uid": uid or f"uid-{ns}-{name}",
                         "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"purser/reclaim-after": "7d"}},
            "spec": spec, "status": dict(status, **extra)}


class FakeKube:
    """items: key -> workflow. Everything that changes them gets the next resourceVersion and is told the watches."""

    def __init__(self):
        self.lock = threading.Lock()
        self.version = 100
        self.items = {}
        self.leases = {}
        self.watches = []
        self.history = []  # (version, event)
        self.oldest = 0    # versions up to it have expired
        self.page_fails = []  # statuses for the next pages after the first
        self.list_fails = []  # statuses for the next lists
        self.watch_versions = []
        self.offloaded = {}  # (namespace, name) -> nodes, as Argo's database has them
        self.requests = []
        self.token = "first"
        self.arrived = threading.Condition(self.lock)
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                fake.get(self)

            def do_POST(self):
                fake.write(self)

            def do_PUT(self):
                fake.write(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients are killed on purpose
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.cut()
        self.server.shutdown()
        self.server.server_close()

    # what a test does

    def put(self, item, tell=True):
        with self.lock:
            key = (item["metadata"]["namespace"], item["metadata"]["name"])
            kind = "MODIFIED" if key in self.items else "ADDED"
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            self.items[key] = item
            if tell:
                self.tell({"type": kind, "object": item})

    def delete(self, name, ns="argo", tell=True):
        with self.lock:
            item = self.items.pop((ns, name))
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            if tell:
                self.tell({"type": "DELETED", "object": item})

    def tell(self, event):
        self.history.append((self.version, event))
        for watch in self.watches:
            watch.put(event)

    def bookmark(self):
        with self.lock:
            self.version += 1
            self.tell({"type": "BOOKMARK", "object": {"kind": "Workflow", "metadata": {
                "resourceVersion": str(self.version)}}})

    def expire(self):
        """Versions so far are gone; watches get the ERROR event that says so."""
        with self.lock:
            self.oldest = self.version
            for watch in self.watches:
                watch.put({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
                                                       "message": "too old resource version"}})

    def cut(self):
        with self.lock:
            for watch in self.watches:
                watch.put(None)

    def wait_watch(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.watch_versions) >= count, 30), self.watch_versions

    # what the server does

    @staticmethod
    def answer(handler, status, body):
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def failure(self, handler, status, message):
        self.answer(handler, status, {"kind": "Status", "status": "Failure", "message": message, "code": status})

    def get(self, handler):
        url = urllib.parse.urlparse(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with self.lock:
            self.requests.append((handler.path, handler.headers.get("Authorization")))
            allowed = handler.headers.get("Authorization") == f"Bearer {self.token}"
        if not allowed:
            self.failure(handler, 401, "Unauthorized")
        elif url.path.startswith("/api/v1/workflows/"):
            self.argo_server(handler, tuple(url.path.split("/")[4:]))
        elif "/leases" in url.path:
            lease = self.leases.get(url.path)
            self.answer(handler, 200, lease) if lease else self.failure(handler, 404, "leases not found")
        elif query.get("watch"):
            self.watch(handler, url.path, query)
        else:
            self.list(handler, url.path, query)

    def argo_server(self, handler, key):
        """Argo's own API: the workflow with the nodes of its database."""
        with self.lock:
            item, nodes = self.items.get(key), self.offloaded.get(key)
            if item is None or nodes is None:
                return self.failure(handler, 404, "workflow not found")
            whole = dict(item, status=dict(item["status"], nodes=nodes))
        return self.answer(handler, 200, whole)

    def chosen(self, path):
        parts = path.split("/")
        ns = parts[parts.index("namespaces") + 1] if "namespaces" in parts else None
        return [self.items[key] for key in sorted(self.items) if ns in (None, key[0])]

    def list(self, handler, path, query):
        with self.lock:
            if "continue" not in query and self.list_fails:
                return self.failure(handler, self.list_fails.pop(0), "not now")
            if "continue" in query and self.page_fails:
                return self.failure(handler, self.page_fails.pop(0), "the page has expired")
            items = self.chosen(path)
            start = int(query.get("continue", "at 0/x").split()[1].split("/")[0])
            limit = int(query["limit"])
            page = items[start:start + limit]
            more = start + limit < len(items)
            body = {"apiVersion": "argoproj.io/v1alpha1", "items": page, "kind": "WorkflowList",
                    "metadata": {"resourceVersion": str(self.version),
                                 "continue": f"at {start + limit}/x" if more else ""}}
        return self.answer(handler, 200, body)

    def watch(self, handler, path, query):
        events = queue.Queue()
        ns = path.split("/")[path.split("/").index("namespaces") + 1] if "namespaces" in path else None
        with self.arrived:
            version = int(query["resourceVersion"])
            self.watch_versions.append(version)
            self.arrived.notify_all()
            if version < self.oldest:
                return self.failure(handler, 410, "too old resource version")
            for at, event in self.history:
                if at > version:
                    events.put(event)
            self.watches.append(events)
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while (event := events.get()) is not None:
                if ns and event["object"]["metadata"].get("namespace", ns) != ns:
                    continue
                data = json.dumps(event).encode() + b"\n"
                for piece in (data[:7], data[7:]):
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    handler.wfile.flush()
        except OSError:
            pass
        with self.lock:
            self.watches.remove(events)
        handler.close_connection = True
        return None

    def write(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        path = handler.path if handler.command == "PUT" else f"{handler.path}/{body['metadata']['name']}"
        with self.lock:
            old = self.leases.get(path)
            version = body["metadata"].get("resourceVersion")
            if old and (handler.command == "POST" or version != old["metadata"]["resourceVersion"]):
                return self.failure(handler, 409, "the object has been modified")
            self.version += 1
            body["metadata"]["resourceVersion"] = str(self.version)
            self.leases[path] = body
        return self.answer(handler, 201 if handler.command == "POST" else 200, body)
