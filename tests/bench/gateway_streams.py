#!/usr/bin/env python3
"""Many slow readers at once: memory, failures, and how fast another request is answered meanwhile.

Usage: gateway_streams.py [STREAMS [MIB [KIB_PER_S]]]     (PURSER: the binary, release; cc for slow_readers.c)
1,000 streams of 64 MiB: gate 128 MiB RSS, all whole. 8,000: gate 512 MiB, none fails, others answered in 50 ms.
Each reader takes KIB_PER_S a second (default: 400,000 for all together); the store is nginx serving a file as s3:// (it
ignores signatures), as a real one of 8,000 streams would need the machine for itself, with a bound on what the system
holds of what it sends: both ends of its connections take from the same memory here. Whole means: as many bytes as the
object.
"""
import os
import pathlib
import re
import resource
import select
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from agent_rig import Agent  # noqa: E402
from rig import MIB, Rig, free_port, wait_for_port  # noqa: E402

NGINX = """
{user}worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{ access_log off; sendfile on; keepalive_timeout 300; send_timeout 600;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port} backlog=8192 sndbuf=16k; root {dir}/www; }} }}
"""


def status_of(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def readers_of(rig, agent, streams, size, rate):
    """slow_readers.c, built here; waits until all have connected."""
    source = pathlib.Path(__file__).with_name("slow_readers.c")
    binary = rig.dir / "slow_readers"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", binary, source], check=True)
    process = subprocess.Popen([binary, str(agent.port), "/a/main/obj", agent.bearer.strip(), str(streams), str(size),
                                str(rate)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "opened\n"
    return process


def main():
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    mib = float(sys.argv[2]) if len(sys.argv) > 2 else 64
    rate = int(sys.argv[3]) * 1024 if len(sys.argv) > 3 else 400_000 * 1024 // streams
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
        # The same question to an agent without streams: what the machine and the store make of it.
        control = Agent(rig, env={"PURSER_STATE_DIR": str(rig.dir / "control")})
        agent.get("/a/main/small")
        idle_rss = status_of(agent.process.pid, "VmRSS")
        answers, controls, opening = [], [], []
        started = time.monotonic()
        readers = readers_of(rig, agent, streams, size, rate)
        opened = time.monotonic() - started
        os.set_blocking(readers.stdout.fileno(), False)
        text, answered = "", 0
        while readers.poll() is None:
            text += os.read(readers.stdout.fileno(), 65536).decode() if select.select([readers.stdout], [], [], 0)[0] else ""
            answered = answered or ("answered" in text and time.monotonic() - started)
            for one, rows in ((agent, answers if answered else opening), (control, controls)):
                before = time.monotonic()
                status = one.get("/a/main/small")[0]
                rows.append((time.monotonic() - before, status))
            time.sleep(0.1)
            assert agent.process.poll() is None, agent.log()[-2000:]
        seconds = time.monotonic() - started
        os.set_blocking(readers.stdout.fileno(), True)
        *reasons, counts = (text + readers.stdout.read()).replace("answered\n", "").splitlines()
        whole = int(counts.split()[0])
        rss = status_of(agent.process.pid, "VmHWM")
        metrics = agent.get("/metrics", token=None)[2].decode()
        cpu = float(re.search(r"process_cpu_seconds_total ([0-9.e+-]+)", metrics)[1])
        warned = sorted({re.sub(r"^\S+ |\d+", "", line).strip() for line in agent.lines if " warn " in line})
        agent.stop()
        control.stop()
        store.terminate()
        store.wait()
    times = sorted(row[0] for row in answers)
    late = [row for row in answers if row[1] != 200]
    alone = sorted(row[0] for row in controls)
    print(f"{streams} streams of {mib:g} MiB: {whole} whole, {streams - whole} failed, {seconds:.0f} s, "
          f"opened in {opened:.1f} s, all answered in {answered:.1f} s, {cpu:.1f} CPU-s ({cpu / (streams * mib / 1024):.2f} a GiB)")
    for line in (*reasons, *warned[:5]):
        print("   ", line)
    print("    metrics:", *re.findall(r"purser_gateway_(?:requests_total|cut_total|busy_total)\S* \d+", metrics))
    gate = 128 if streams <= 1000 else 512
    print(f"peak RSS {rss / MIB:.0f} MiB (gate {gate}), idle {idle_rss / MIB:.0f}, "
          f"{(rss - idle_rss) / 1024 / streams:.1f} KiB a stream")
    print(f"another request meanwhile: median {statistics.median(times) * 1000:.1f} ms, "
          f"p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms, max {times[-1] * 1000:.1f} ms of {len(times)}, "
          f"not 200: {sorted(row[1] for row in late)[:3]} of {len(late)} (gate 50 ms); an agent without streams beside it: median "
          f"{statistics.median(alone) * 1000:.1f} ms, p99 {alone[int(len(alone) * 0.99)] * 1000:.1f} ms, max {alone[-1] * 1000:.1f} ms")
    print(f"another request while they open: max {max((row[0] for row in opening), default=0) * 1000:.1f} ms of {len(opening)}")
    return 0 if whole == streams else 1


sys.exit(main())
