#!/usr/bin/env python3
"""The agent's admin socket: status with and without an agent, reload, drain, who may. Usage: agent_admin.py file"""
import http.client
import json
import os
import socket
import stat
import sys
import time

from agent_rig import TOKEN, Agent
from rig import MIB, Rig

GOOD = ("-- few\nlocal function retry(failure, now)\n  return { give_up = true, reason = 'test' }\nend\n"
        "return { api = 1, name = 'few', retry = retry }\n")


def ask(path, method, target):
    connection = http.client.HTTPConnection("agent")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request(method, target)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def as_nobody(path):
    """Exit code of another user's try to connect: 0 = refused."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            socket.socket(socket.AF_UNIX).connect(str(path))
        except PermissionError:
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reclaims(rig):
    """What is recorded while the agent runs is planned and swept by it; a hold through the socket or the page keeps."""
    small = rig.dir / "small"
    small.write_bytes(b"bytes")
    for key in ("gc/goes", "gc/held", "gc/later"):
        later = ("--label", "purser/reclaim-after=7d") if key == "gc/later" else ()
        rig.run("put", "-q", small, rig.url(key), "--workflow", "argo/w", "--gc", "OnWorkflowCompletion", *later)
    (rig.dir / "tokens").write_text(f"{TOKEN} operate\none-of-a-part-of-main operate main/gc/\n"
                                    "one-that-reads-a-part read main/\none-that-reads-all\n")
    agent = Agent(rig, top="reclaim: { interval: 1s }\n")
    path = rig.dir / "state" / "admin.socket"
    assert ask(path, "POST", f"/v1/hold?url={rig.url('gc/held')}") == (200, {"count": 1, "url": rig.url("gc/held")})
    assert ask(path, "POST", "/v1/hold?url=nothing")[0] == 422
    assert ask(path, "POST", f"/v1/release?url={rig.url('gc/none')}")[0] == 404
    rig.run("workflow", "argo/w", "completed", "--status", "Succeeded")
    for _ in range(300):
        if not rig.stored("gc/goes").exists():
            break
        time.sleep(0.1)
    else:
        raise AssertionError(agent.log()[-2000:])
    assert rig.stored("gc/held").exists() and rig.stored("gc/later").exists()
    listed = json.loads(agent.get("/api/reclaims")[2])["reclaims"]
    assert [r["url"] for r in listed] == [rig.url("gc/later")] and listed[0]["due_unix_s"] > time.time() + 6 * 86400
    decisions = json.loads(agent.get("/api/decisions")[2])["decisions"]
    assert ("deleted", rig.url("gc/goes")) in [(d["what"], d["url"]) for d in decisions], decisions
    code, told = ask(path, "GET", f"/v1/explain?url={rig.url('gc/later')}")
    offline = json.loads(rig.run("explain", "--json", rig.url("gc/later"))[0].splitlines()[0])
    assert code == 200 and [r["state"] for r in told["records"]] == ["pending"], told
    assert {**offline, **told["records"][0], "now": 0} == {**offline, "now": 0}, "not as the command says"
    assert "planned" in [h["what"] for h in told["history"]], told
    assert ask(path, "GET", "/v1/explain?url=s3://no/where")[0] == 404 and ask(path, "GET", "/v1/explain")[0] == 422
    later = f"/api/cancel?url={rig.url('gc/later')}"
    for token in ("one-of-a-part-of-main", "one-that-reads-a-part"):  # of main, but not of all stores
        for name in ("uploads", "streams", "reclaims", "holds", "decisions"):
            assert agent.get(f"/api/{name}", token=token)[0] == 403, name
        for verb in ("hold", "release", "cancel"):
            assert agent.get(f"/api/{verb}?url={rig.url('gc/later')}", {"X-Purser-Page": "1"}, "POST", token)[0] == 403
        assert agent.get("/api/status", token=token)[0] == 200 and agent.get("/", token=token)[0] == 200
    assert agent.get(later, {"X-Purser-Page": "1"}, method="POST", token="one-that-reads-all")[0] == 403
    assert agent.get("/api/reclaims", token="one-that-reads-all")[0] == 200
    assert agent.get("/api/reclaims?prefiks=x")[0] == 400 and agent.get("/api/explain?url=x")[0] == 404
    assert agent.get("/api/plan", {"X-Purser-Page": "1"}, method="POST")[0] == 404, "not the page's"
    assert agent.get(later, method="POST")[0] == 400, "a POST that another site could send"
    assert agent.get(later, {"X-Purser-Page": "1"}, method="POST", token=None)[0] == 401
    assert agent.get(later, {"X-Purser-Page": "1"}, method="POST")[0] == 200
    assert json.loads(agent.get("/api/reclaims")[2])["reclaims"] == []
    agent.stop()
    print("agent: plans and sweeps; holds and cancels through the socket and the page")


def main():
    with Rig(sys.argv[1]) as rig:
        out, _ = rig.run("status")
        assert "none runs" in out, out
        _, err = rig.run("reload", expect=3)
        assert "start one with `purser agent`" in err and len(err.splitlines()) == 1, err
        rig.run("drain", expect=3)

        policies = rig.dir / "policies"
        policies.mkdir()
        big = rig.source("big.bin", 24 * MIB)
        rig.run("put", "-q", big, rig.url("big.bin"))
        agent = Agent(rig, flags=("--policy-path", str(policies)))
        path = rig.dir / "state" / "admin.socket"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        if os.getuid() == 0:
            rig.dir.chmod(0o755)
            (rig.dir / "state").chmod(0o755)
            assert as_nobody(path) == 0, "another user may connect"
            path.chmod(0o666)
            assert as_nobody(path) == 1
            path.chmod(0o600)

        status = json.loads(rig.run("status", "--json")[0])
        assert status["running"] and status["pid"] == agent.process.pid, status
        before = status["policy_digest"]
        assert f"pid {agent.process.pid}" in rig.run("status")[0]

        (policies / "90-few.lua").write_text(GOOD)
        rig.run("reload")
        after = json.loads(rig.run("status", "--json")[0])["policy_digest"]
        assert after != before
        (policies / "91-bad.lua").write_text("return { api = 1, name = 'bad', retri = 1 }\n")
        _, err = rig.run("reload", expect=2)
        assert "91-bad.lua" in err and "retri" in err, err
        assert json.loads(rig.run("status", "--json")[0])["policy_digest"] == after

        (policies / "91-bad.lua").unlink()
        (policies / "tests").mkdir()
        (policies / "tests" / "90-few_test.lua").write_text(
            "return { hook = 'retry', { name = 'tries again', facts = { operation = 'put', class = 'transient',"
            " http_status = 500, attempt = 1, elapsed_ms = 0 }, expect = { give_up = false }, reason = 'test' } }\n")
        _, err = rig.run("reload", expect=8)
        assert "90-few.lua" in err and "'tries again' fails" in err, err
        assert json.loads(rig.run("status", "--json")[0])["policy_digest"] == after

        assert ask(path, "GET", "/v1/uploads") == (200, {"uploads": [], "next": None})
        assert ask(path, "GET", "/v1/nothing")[0] == 404
        policies_told = ask(path, "GET", "/v1/policy")[1]
        assert policies_told["digest"] == after and "few" in [p["name"] for p in policies_told["policies"]], policies_told
        assert ask(path, "GET", "/v1/drain")[0] == 405
        _, err = rig.run("agent", "--config", agent.config, expect=7)
        assert "another process listens" in err, err
        assert json.loads(rig.run("status", "--json")[0])["running"], "the second one took the socket away"

        sock = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
        sock.sendall(f"GET /a/main/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{agent.bearer}\r\n".encode())
        sock.recv(1000)
        streams = ask(path, "GET", "/v1/streams")[1]["streams"]
        assert [s["key"] for s in streams] == ["big.bin"] and streams[0]["size_bytes"] == 24 * MIB, streams
        rig.run("drain")
        while sock.recv(MIB):
            pass
        assert agent.process.wait(timeout=30) == 0
        agent.process.stderr.close()
        assert not path.exists()
        print("admin: status, reload that keeps the old policies, drain; for the agent's user only")

        agent = Agent(rig)
        agent.process.kill()
        agent.process.wait()
        agent.process.stderr.close()
        with Agent(rig):  # the socket file of a killed agent is in nobody's way
            assert json.loads(rig.run("status", "--json")[0])["running"]
        print("admin: an agent after a killed one")
        reclaims(rig)


main()
