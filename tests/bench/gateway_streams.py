#!/usr/bin/env python3
"""Many slow readers at once: memory, failures, and how fast another request is answered meanwhile.

Usage: gateway_streams.py [STREAMS [MIB]]     (PURSER: the binary, release)
1,000 streams of 64 MiB: gate 128 MiB RSS, all whole. 8,000: gate 512 MiB, none fails, others answered in 50 ms.
One process reads all of them in turn, so each is slow; the store is nginx serving a file as s3:// (it ignores
signatures), as a real one of 8,000 streams would need the machine for itself. Whole means: as many bytes as the object.
"""
import os
import pathlib
import re
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from agent_rig import Agent  # noqa: E402
from rig import MIB, Rig, free_port, wait_for_port  # noqa: E402

NGINX = """
{user}worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{ access_log off; sendfile on; keepalive_timeout 300;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port} backlog=8192; root {dir}/www; }} }}
"""


def status_of(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


class Reader:
    def __init__(self, port, bearer, size):
        self.left, self.head = size, b""
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(f"GET /a/main/obj HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}\r\n".encode())
        self.sock.setblocking(False)
        self.whole = self.failed = False

    def step(self, block):
        """Take what is there, at most the block; False at the end."""
        try:
            count = self.sock.recv_into(block)
        except BlockingIOError:
            return True
        except OSError:
            count = 0
        if count == 0:
            self.whole = self.left == 0
            self.failed = not self.whole
            return False
        if self.head is not None:
            self.head += bytes(block[:count])
            if b"\r\n\r\n" not in self.head:
                return True
            if not self.head.startswith(b"HTTP/1.1 200"):
                self.failed = True
                return False
            count = len(self.head) - self.head.index(b"\r\n\r\n") - 4
            self.head = None
        self.left -= count
        return True


def prober(agent, answers, stop):
    while not stop.is_set():
        started = time.monotonic()
        status = agent.get("/a/main/small")[0]
        answers.append((time.monotonic() - started, status))
        stop.wait(0.1)


def main():
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    mib = float(sys.argv[2]) if len(sys.argv) > 2 else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    size = int(mib * MIB)
    with Rig("file") as rig:
        www = rig.dir / "www" / "bkt"
        www.mkdir(parents=True)
        (www / "obj").write_bytes(os.urandom(size))
        (www / "small").write_bytes(b"small")
        port = free_port()
        (rig.dir / "nginx.conf").write_text(NGINX.format(
            dir=rig.dir, port=port, user="user root; " if os.getuid() == 0 else ""))
        store = subprocess.Popen(["nginx", "-c", str(rig.dir / "nginx.conf"), "-e", str(rig.dir / "nginx.log")],
                                 stderr=subprocess.DEVNULL)
        wait_for_port(port, store)
        rig.root = "s3://bkt"
        rig.env.update(AWS_ACCESS_KEY_ID="testkey123", AWS_SECRET_ACCESS_KEY="testsecret123", AWS_REGION="us-east-1",
                       AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}")
        agent = Agent(rig, settings=f"  memory_limit: 512MiB\n  connections: {streams + 100}\n"
                      "  stall_timeout: 10m\n")
        agent.get("/a/main/small")
        idle_rss = status_of(agent.process.pid, "VmRSS")
        answers, stop = [], threading.Event()
        probe = threading.Thread(target=prober, args=(agent, answers, stop))
        probe.start()
        started = time.monotonic()
        selector = selectors.DefaultSelector()
        block, readers, alive = bytearray(65536), [], 0
        for _ in range(streams):
            reader = Reader(agent.port, agent.bearer, size)
            readers.append(reader)
            selector.register(reader.sock, selectors.EVENT_READ, reader)
            alive += 1
        opened = time.monotonic() - started
        peak_open = 0
        while alive:
            for key, _ in selector.select(timeout=60):
                if not key.data.step(block):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    alive -= 1
            peak_open = max(peak_open, alive)
            assert agent.process.poll() is None, agent.log()[-2000:]
        seconds = time.monotonic() - started
        stop.set()
        probe.join()
        rss = status_of(agent.process.pid, "VmHWM")
        metrics = agent.get("/metrics", token=None)[2].decode()
        cpu = float(re.search(r"process_cpu_seconds_total ([0-9.e+-]+)", metrics)[1])
        warned = sorted({re.sub(r"^\S+ |\d+", "", line).strip() for line in agent.lines if " warn " in line})
        agent.stop()
        store.terminate()
        store.wait()
    whole = sum(reader.whole for reader in readers)
    times = sorted(row[0] for row in answers)
    late = [row for row in answers if row[1] != 200]
    print(f"{streams} streams of {mib:g} MiB: {whole} whole, {streams - whole} failed, {seconds:.0f} s, "
          f"opened in {opened:.1f} s, {cpu:.1f} CPU-s ({cpu / (streams * mib / 1024):.2f} a GiB)")
    for line in warned[:5]:
        print("   ", line)
    print("    metrics:", *re.findall(r"purser_gateway_(?:requests_total|cut_total|busy_total)\S* \d+", metrics))
    gate = 128 if streams <= 1000 else 512
    print(f"peak RSS {rss / MIB:.0f} MiB (gate {gate}), idle {idle_rss / MIB:.0f}, "
          f"{(rss - idle_rss) / 1024 / streams:.1f} KiB a stream")
    print(f"another request meanwhile: median {statistics.median(times) * 1000:.1f} ms, "
          f"p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms, max {times[-1] * 1000:.1f} ms of {len(times)}, "
          f"{len(late)} not 200 (gate 50 ms)")
    return 0 if whole == streams else 1


sys.exit(main())
