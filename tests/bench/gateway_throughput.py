#!/usr/bin/env python3
"""The gateway beside nginx: CPU a GiB, rate and memory of one fast reader, from versitygw.

Usage: gateway_throughput.py [GIB [RUNS]]   (PURSER: the binary, release)
Prints medians of runs side by side and the gates: rate at least 0.9 of nginx's, CPU at most 1.5 times, RSS at most
24 MiB, no byte written to disk. nginx is proxy_pass with 16 buffers of 64k, 128k busy, no temporary file.
"""
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from agent_rig import Agent  # noqa: E402
from rig import MIB, Rig, free_port, wait_for_port  # noqa: E402

GIB = 1024 * MIB
NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{store}; proxy_http_version 1.1;
    proxy_buffers 16 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0; proxy_set_header Connection "";
    proxy_set_header Host 127.0.0.1:{store}; }} }}
}}
"""


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def written(pid):
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


def discard(port, target, headers=""):
    """Read it all; returns (bytes of body, seconds)."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        block = bytearray(4 * MIB)
        head = b""
        while b"\r\n\r\n" not in head:
            more = sock.recv(65536)
            assert more, head
            head += more
        assert head.startswith(b"HTTP/1.1 200"), head[:200]
        got = len(head) - head.index(b"\r\n\r\n") - 4
        while count := sock.recv_into(block):
            got += count
    return got, time.monotonic() - started


def main():
    gib = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    size = int(gib * GIB)
    with Rig("versitygw") as rig:
        with open(rig.dir / "big", "wb") as file:
            for _ in range(size // (8 * MIB)):
                file.write(os.urandom(8 * MIB))
        rig.run("put", "-q", rig.dir / "big", rig.url("big.bin"))
        (rig.dir / "big").unlink()
        agent = Agent(rig)
        port = free_port()
        (rig.dir / "nginx.conf").write_text(NGINX.format(dir=rig.dir, port=port, store=rig.port))
        nginx = subprocess.Popen(["nginx", "-c", str(rig.dir / "nginx.conf"), "-e", str(rig.dir / "nginx.log")],
                                 stderr=subprocess.DEVNULL)
        wait_for_port(port, nginx)
        worker = int(subprocess.run(["pgrep", "-P", str(nginx.pid)], capture_output=True, check=True).stdout.split()[0])
        target = presigned(rig, "big.bin")
        rows = {"nginx": [], "purser": []}
        for _ in range(runs):
            for name, pid, call in (("nginx", worker, lambda: discard(port, target)),
                                    ("purser", agent.process.pid,
                                     lambda: discard(agent.port, "/a/main/big.bin", agent.bearer))):
                before = cpu_of(pid)
                got, seconds = call()
                assert got == size, (name, got)
                rows[name].append((size / seconds / MIB, (cpu_of(pid) - before) / (size / GIB)))
        rss, disk = peak_rss(agent.process.pid), written(agent.process.pid)
        agent.stop()
        nginx.terminate()
        nginx.wait()
    rate = {name: statistics.median(row[0] for row in values) for name, values in rows.items()}
    cpu = {name: statistics.median(row[1] for row in values) for name, values in rows.items()}
    for name in rows:
        print(f"{name}: {rate[name]:.0f} MiB/s, {cpu[name]:.2f} CPU-s/GiB  (CPU runs {[round(r[1], 2) for r in rows[name]]})")
    print(f"rate {rate['purser'] / rate['nginx']:.2f} of nginx's (gate 0.9)")
    print(f"CPU {cpu['purser'] / cpu['nginx']:.2f} times nginx's (gate 1.5)")
    print(f"peak RSS {rss / MIB:.1f} MiB (gate 24), bytes written to disk {disk} (gate 0)")


def presigned(rig, key):
    """A signed target that nginx can pass on: SigV4 query, made here from the specification."""
    import datetime
    import hashlib
    import hmac
    now = datetime.datetime.now(datetime.timezone.utc)
    day, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    host = f"127.0.0.1:{rig.port}"
    scope = f"{day}/us-east-1/s3/aws4_request"
    query = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=testkey123%2F" + scope.replace("/", "%2F") +
             f"&X-Amz-Date={stamp}&X-Amz-Expires=36000&X-Amz-SignedHeaders=host")
    canonical = f"GET\n/bkt/{key}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    sign = b"AWS4testsecret123"
    for part in (day, "us-east-1", "s3", "aws4_request"):
        sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
    return f"/bkt/{key}?{query}&X-Amz-Signature={hmac.new(sign, text.encode(), hashlib.sha256).hexdigest()}"


if __name__ == "__main__":
    main()
