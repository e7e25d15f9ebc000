#!/usr/bin/env python3
"""How much later than the store's the gateway's first byte comes: of a small object, and of one of 20 GiB.

Usage: gateway_first_byte.py [ROUNDS]     (PURSER: the binary, release)
Asked in turn, on fresh connections, of versitygw and of the gateway before it; medians, and the gate of 2 ms between them.
"""
import os
import pathlib
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from agent_rig import Agent  # noqa: E402
from gateway_throughput import presigned  # noqa: E402
from rig import MIB, Rig  # noqa: E402

GIB = 1024 * MIB


def first_byte(port, target, headers):
    """Milliseconds from the request to the first byte of the body."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got or got.endswith(b"\r\n\r\n"):
            more = sock.recv(65536)
            assert more, got[:200]
            got += more
        took = time.perf_counter() - started
        assert got.startswith(b"HTTP/1.1 200"), got[:200]
        return took * 1000


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with Rig("versitygw") as rig:
        small = rig.source("small", 4096)
        rig.run("put", "-q", small, rig.url("small"))
        rig.run("put", "-q", small, rig.url("huge"))
        os.truncate(rig.stored("huge"), 20 * GIB)  # sparse: only its beginning is read
        with Agent(rig) as agent:
            agent.get("/a/main/small")
            for name in ("small", "huge"):
                target = presigned(rig, name)
                store, gateway = [], []
                for _ in range(rounds):
                    store.append(first_byte(rig.port, target, ""))
                    gateway.append(first_byte(agent.port, f"/a/main/{name}", agent.bearer))
                later = statistics.median(gateway) - statistics.median(store)
                print(f"{name}: store {statistics.median(store):.2f} ms, gateway {statistics.median(gateway):.2f} ms: "
                      f"{later:.2f} ms later (gate 2 ms)")


main()
