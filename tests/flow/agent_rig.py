"""`purser agent` beside a store of rig.py, and requests to it. Used by the scripts of this folder and of bench/."""
import http.client
import re
import subprocess
import threading

from rig import PURSER

TOKEN = "a-token-of-some-length"


class Agent:
    """The agent with the rig's store as `main`. Settings: YAML lines put under `gateway:`."""

    def __init__(self, rig, settings="", stores="", top="", flags=(), env=None):
        self.rig = rig
        self.tokens = rig.dir / "tokens"
        if not self.tokens.exists():
            self.tokens.write_text(f"{TOKEN} operate\n")
            self.tokens.chmod(0o600)
        self.config = rig.dir / "agent.yaml"
        url = rig.root
        self.config.write_text(f"stores:\n  main: {{ url: \"{url}\" }}\n{stores}{top}gateway:\n  listen: 127.0.0.1:0\n"
                               f"  tokens_file: {self.tokens}\n{settings}")
        self.lines = []
        self.process = subprocess.Popen([PURSER, "agent", "--config", str(self.config), "--log-level", "info", *flags],
                                        env=dict(rig.env, **(env or {})), stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        match = re.search(r"gateway at .*:(\d+)", line)
        if not match:
            raise RuntimeError(line + self.process.stderr.read())
        self.port = int(match[1])
        self.bearer = f"Authorization: Bearer {TOKEN}\r\n"
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def log(self):
        return "".join(self.lines)

    def get(self, path, headers=None, method="GET", token=TOKEN, body=None):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        connection.request(method, path, headers=headers, body=body)
        answer = connection.getresponse()
        assert len(answer.headers.get_all("Content-Length", [])) < 2, answer.headers  # http.client would take the first
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def stop(self, expect=0):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=10)
        self.process.stderr.close()
        assert code == expect, f"the agent ended with {code}\n{self.log()[-3000:]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
