#!/usr/bin/env python3
"""TLS, metrics at an address of their own, tokens read anew, memory by flag, a long outage. Usage: gateway_settings.py versitygw"""
import hashlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

from agent_rig import Agent, TOKEN
from rig import MIB, Rig, free_port, sha256


def certificate(rig, name):
    """Made by openssl, as an operator would."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", rig.dir / f"{name}.key",
                    "-out", rig.dir / f"{name}.pem"], check=True, capture_output=True)


def tls(rig, big):
    warnings.simplefilter("ignore", DeprecationWarning)
    certificate(rig, "one")
    certificate(rig, "other")
    settings = f"  tls_cert: {rig.dir}/one.pem\n  tls_key: {rig.dir}/one.key\n"
    with Agent(rig, settings=settings) as agent:
        url = f"https://127.0.0.1:{agent.port}/a/main/big.bin"
        out = rig.dir / "out"
        curl = ["curl", "-sS", "-f", "-o", out, "-H", f"Authorization: Bearer {TOKEN}"]
        subprocess.run([*curl, "--cacert", rig.dir / "one.pem", url], check=True)
        assert sha256(out) == sha256(big)
        subprocess.run([*curl, "--cacert", rig.dir / "one.pem", "-r", "5-9", url], check=True)
        assert out.read_bytes() == big.read_bytes()[5:10]
        assert subprocess.run([*curl, "--cacert", rig.dir / "other.pem", url], capture_output=True,
                              check=False).returncode == 60
        assert subprocess.run([*curl, f"http://127.0.0.1:{agent.port}/healthz"], capture_output=True,
                              check=False).returncode != 0, "plain HTTP where TLS is asked for"
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = old
            try:
                with socket.create_connection(("127.0.0.1", agent.port), timeout=20) as sock, context.wrap_socket(sock):
                    raise AssertionError(f"{old} is spoken")
            except (ssl.SSLError, ConnectionResetError):
                pass
    config = rig.dir / "mismatch.yaml"
    config.write_text(f"gateway: {{ listen: 127.0.0.1:0, tls_cert: {rig.dir}/one.pem, tls_key: {rig.dir}/other.key }}\n")
    _, err = rig.run("agent", "--config", config, expect=2)
    assert "match" in err and len(err.splitlines()) == 1, err
    config.write_text(f"gateway: {{ listen: 127.0.0.1:0, tls_cert: {rig.dir}/one.pem }}\n")
    _, err = rig.run("agent", "--config", config, expect=2)
    assert "tls_key" in err and len(err.splitlines()) == 1, err
    print("TLS: whole and by range through curl; another's certificate, plain HTTP and old versions refused")


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def metrics(rig):
    port = free_port()
    with Agent(rig, top=f"metrics: {{ listen: \"127.0.0.1:{port}\" }}\n") as agent:
        agent.get("/a/main/big.bin")
        status, text = fetch(port, "/metrics")
        assert status == 200 and re.search(r"purser_gateway_sent_bytes_total [1-9]", text), text
        assert "big" not in text, "a key in a label"
        assert fetch(port, "/healthz") == (200, "ok\n") and fetch(port, "/readyz") == (200, "ready\n")
        assert fetch(port, "/a/main/big.bin")[0] == 404
        assert agent.get("/metrics", token=None)[0] == 404 and agent.get("/healthz", token=None)[0] == 200
    print("metrics: at an address of their own, and only there")


def reload(rig):
    with Agent(rig, settings="  allow: [ main/open/ ]\n") as agent:
        assert agent.get("/a/main/big.bin", method="HEAD")[0] == 200
        assert agent.get("/a/main/open/none", token=None)[0] == 404
        agent.tokens.write_text("another-token-of-some-length\n")
        agent.config.write_text(agent.config.read_text().replace("main/open/", "main/other/"))
        assert agent.get("/a/main/big.bin", method="HEAD")[0] == 200, "nothing changes by itself"
        rig.run("reload")
        assert agent.get("/a/main/big.bin", method="HEAD")[0] == 401
        assert agent.get("/a/main/big.bin", method="HEAD", token="another-token-of-some-length")[0] == 200
        assert agent.get("/a/main/open/none", token=None)[0] == 401
        assert agent.get("/a/main/other/none", token=None)[0] == 404
        agent.tokens.write_text("short\n")
        _, err = rig.run("reload", expect=2)
        assert "tokens:1" in err and len(err.splitlines()) == 1, err
        assert agent.get("/a/main/big.bin", method="HEAD", token="another-token-of-some-length")[0] == 200
        agent.tokens.write_text(f"{TOKEN} operate\n")
    print("reload: tokens and open prefixes; a bad file changes nothing")


def memory(rig):
    with Agent(rig, flags=("--gateway-memory", "32KiB")) as agent:
        assert agent.get("/a/main/big.bin")[0] == 503
    with Agent(rig, flags=("--gateway-memory", "300KiB")) as agent:
        assert agent.get("/a/main/big.bin")[0] == 200
    _, err = rig.run("agent", "--gateway-memory", "much", expect=2)
    assert "--gateway-memory" in err and len(err.splitlines()) == 1, err
    print("--gateway-memory: a limit that holds no stream lets none through, a small one has small blocks")


FEW = ("-- few\nlocal function retry(failure, now)\n  if failure.attempt > 1 then\n"
       "    return { give_up = true, reason = 'test' }\n  end\nend\nreturn { api = 1, name = 'few', retry = retry }\n")


def outage(rig, big):
    """A store that is away for longer than its requests are sent again: waited for, up to a limit."""
    folder = rig.dir / "policies"
    folder.mkdir()
    (folder / "90-few.lua").write_text(FEW)
    for limit, whole in (("5m", True), ("1s", False)):
        with Agent(rig, settings=f"  outage_timeout: {limit}\n", flags=("--policy-path", str(folder))) as agent:
            sock = socket.create_connection(("127.0.0.1", agent.port), timeout=300)
            sock.sendall(f"GET /a/main/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{agent.bearer}\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(1)
            rig.stop_server()
            got = []
            reader = threading.Thread(target=read_all, args=(sock, got))
            reader.start()
            wait_for_log(agent, "waits for the store" if whole else "cut after")
            rig.start_server()
            reader.join()
            sock.close()
            assert (got == [big.stat().st_size, sha256(big)]) if whole else got[0] < big.stat().st_size, (limit, got)
    print("outage: a store that comes back is waited for, one that does not is not")


def read_all(sock, got):
    digest, size = hashlib.sha256(), 0
    try:
        while data := sock.recv(MIB):
            digest.update(data)
            size += len(data)
    except ConnectionResetError:
        pass
    got.extend((size, digest.hexdigest()))


def wait_for_log(agent, text):
    for _ in range(1200):
        if text in agent.log():
            return
        time.sleep(0.05)
    raise AssertionError(agent.log()[-3000:])


def logs(rig):
    """--log-format json: each line is an object."""
    with Agent(rig, flags=("--log-format", "json")) as agent:
        agent.get("/a/main/big.bin", {"X-Odd": 'quote " and \\'})
        agent.get("/a/main/%22odd%22%C3%A9")
        agent.stop()
        lines = [json.loads(line) for line in agent.lines if line.strip()]
        assert any("big.bin" in line["message"] for line in lines) and all(line["level"] for line in lines), lines
    print(f"logs: {len(lines)} lines of JSON")


def main():
    with Rig(sys.argv[1]) as rig:
        big = rig.source("big.bin", 64 * MIB + 3)
        rig.run("put", "-q", big, rig.url("big.bin"))
        tls(rig, big)
        metrics(rig)
        reload(rig)
        memory(rig)
        logs(rig)
        outage(rig, big)


main()
