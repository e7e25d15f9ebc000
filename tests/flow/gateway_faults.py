#!/usr/bin/env python3
"""What a store does wrong while a user reads: it dies and comes back, it sends a flipped byte, it stays away."""
import hashlib
import re
import socket
import sys
import time

from agent_rig import Agent
from rig import LONG, MIB, Rig, sha256

SIZE = (1024 if LONG else 96) * MIB


class Reader:
    """Takes the body piece by piece, so that what happens meanwhile happens in mid-stream."""

    def __init__(self, agent, path):
        self.sock = socket.create_connection(("127.0.0.1", agent.port), timeout=120)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{agent.bearer}\r\n".encode())
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            more = self.sock.recv(1)
            if not more:
                break
            self.head += more
        self.digest, self.got = hashlib.sha256(), 0

    def take(self, wanted=None):
        while wanted is None or self.got < wanted:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                break
            if not data:
                break
            self.digest.update(data)
            self.got += len(data)
        return self.got


def restart(rig, agent, source):
    reader = Reader(agent, "/a/main/k.bin")
    assert reader.head.startswith(b"HTTP/1.1 200"), reader.head
    for part in (1, 2, 3):
        reader.take(SIZE * part // 4)
        rig.stop_server()
        reader.take(SIZE * part // 4 + 1)
        time.sleep(1)  # the store is away: the reader's buffers run empty meanwhile
        rig.start_server()
    assert reader.take() == SIZE and reader.digest.hexdigest() == sha256(source)
    assert "again in" in agent.log()
    print(f"store killed and restarted 3 times in mid-stream: {SIZE // MIB} MiB whole")


def flipped(rig, agent):
    path = rig.stored("k.bin")
    with open(path, "r+b") as file:
        file.seek(SIZE // 2)
        byte = file.read(1)
        file.seek(SIZE // 2)
        file.write(bytes([byte[0] ^ 1]))
    reader = Reader(agent, "/a/main/k.bin")
    assert reader.head.startswith(b"HTTP/1.1 200") and f"Content-Length: {SIZE}".encode() in reader.head
    got = reader.take()
    assert got < SIZE, "a body that is wrong looks whole"
    for _ in range(100):
        if re.search(r"warn gateway: main/k.bin: cut after \d+ bytes: .* crc64nvme", agent.log()):
            break
        time.sleep(0.05)
    else:
        raise AssertionError(agent.log()[-2000:])
    metrics = agent.get("/metrics", token=None)[2].decode()
    assert "purser_gateway_corrupt_total 1\n" in metrics
    print(f"flipped byte: cut {SIZE - got} bytes before the end, and logged")


def away(rig, agent):
    """Before the first byte a store that is away is a status."""
    rig.stop_server()
    status, headers, _ = agent.get("/a/main/k.bin")
    assert status == 503 and headers["Retry-After"], (status, headers)
    rig.start_server()
    print("store away before the first byte: 503 with Retry-After")


def main():
    with Rig(sys.argv[1]) as rig:
        source = rig.source("k.bin", SIZE)
        rig.run("put", "-q", source, rig.url("k.bin"))
        with Agent(rig) as agent:
            restart(rig, agent, source)
            flipped(rig, agent)
        with Agent(rig, env={"PURSER_POLICY_PATH": str(policies(rig))}) as agent:
            away(rig, agent)


def policies(rig):
    """Two attempts only, so that the test need not wait."""
    folder = rig.dir / "policies"
    folder.mkdir()
    (folder / "90-few.lua").write_text(
        "-- few\nlocal function retry(failure, now)\n  if failure.attempt > 1 then\n"
        "    return { give_up = true, reason = 'test' }\n  end\nend\n"
        "return { api = 1, name = 'few', retry = retry }\n")
    return folder


main()
