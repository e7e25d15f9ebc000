#!/usr/bin/env python3
"""uploads, reclaims, explain and policy list answer the same whether an agent runs or not; with one, by what it has in
memory; its levels; agents that do not answer or are of another version. Usage: agent_same.py file|versitygw"""
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

from agent_rig import Agent
from rig import MIB, PURSER, Rig, kill

STARTED_UNIX_S = int(time.time())

# The rounds of the agent are no part of what is compared.
QUIET = "reclaim: { interval: 1h }\n"

KEEP = ("return { api = 1, name = 'mine', reclaim = function() return { action = 'keep', reason = '%s' } end }\n")


def sending(rig, name):
    """An upload of which a part is done, and that waits for more."""
    process = rig.start("put", "-q", "-", rig.url(f"up/{name}"), "--part-size", "5MiB", stdin=subprocess.PIPE)
    process.stdin.write(os.urandom(11 * MIB))
    process.stdin.flush()
    while True:
        for line in rig.run("uploads", "--json")[0].splitlines():
            upload = json.loads(line)
            if upload["url"] == rig.url(f"up/{name}") and upload["done_parts"] >= 1:
                return process, upload
        assert process.poll() is None, process.stderr.read()


def interrupted(rig, name):
    """The number of an upload that a kill left with a part."""
    process, upload = sending(rig, name)
    kill(process)
    process.stdin.close()
    return upload["id"]


def record(rig, keys, workflow):
    small = rig.dir / "small"
    small.write_bytes(b"bytes")
    for key in keys:
        rig.run("put", "-q", small, rig.url(key), "--workflow", workflow, "--gc", "OnWorkflowCompletion", "--label",
                "purser/reclaim-after=7d")
    rig.run("workflow", workflow, "completed", "--status", "Succeeded")


def answer(rig, args):
    done = subprocess.run([PURSER, *map(str, args)], env=rig.env, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def questions(rig):
    """All that only looks, with every filter; at a fixed time, as some of it is told in "days from now"."""
    now, soon = ("--now", "2040-01-01T00:00:00Z"), ("--now", str(STARTED_UNIX_S))
    rows = [("uploads",), ("uploads", "ls"), ("policy", "list"), ("reclaims", "holds"), ("reclaims", "history"),
            ("reclaims", "history", "--limit", "3"), ("reclaims", "history", "--limit", "0"),
            ("reclaims", "history", "--since", "1s", *now), ("reclaims", "history", "--since", "9000d"),
            ("reclaims", "ls", *now), ("reclaims", "ls", "--why", *now), ("reclaims", "ls", "--limit", "2", *now),
            ("reclaims", "ls", "--limit", "0", *now), ("reclaims", "ls", "--due", "1h", *soon),
            ("reclaims", "ls", "--due", "8d", *soon), ("reclaims", "ls", "--prefix", rig.url("a/"), *now),
            ("reclaims", "ls", "--prefix", rig.url("none/"), *now), ("explain", rig.url("a/1"), *now),
            ("explain", rig.url("a/held"), *now), ("explain", rig.url("b/\u00e4 +%?&=#"), *now),
            # what is wrong
            ("explain", rig.url("unknown")), ("reclaims", "cancel", rig.url("unknown")),
            ("reclaims", "release", rig.url("unknown")), ("reclaims", "hold", "no-url"),
            ("reclaims", "hold", rig.url("a/1"), "--until", "2020-01-01"), ("uploads", "abort", "4711"),
            ("uploads", "abort", "x"), ("reclaims", "ls", "--limit", "x"), ("reclaims", "frob")]
    return rows + [(*row, "--json") for row in rows]


def looks(rig):
    record(rig, ("a/1", "a/2", "a/held", "b/\u00e4 +%?&=#"), "argo/one")
    for key in ("a/held", "b/"):
        rig.run("reclaims", "hold", rig.url(key))
    rig.run("reclaims", "cancel", rig.url("a/2"))
    rig.run("reclaims", "plan")
    number = interrupted(rig, "left")
    alone = {row: answer(rig, row) for row in questions(rig)}
    with Agent(rig, top=QUIET) as agent:
        for row, expected in alone.items():
            assert answer(rig, row) == expected, (row, expected, answer(rig, row))
        assert agent.log().count("/v1/") >= 4, "the refused changes went around the agent"
    ls = [json.loads(line) for line in alone[("reclaims", "ls", "--limit", "0", "--now", "2040-01-01T00:00:00Z",
                                              "--json")][1].splitlines()]
    assert {item["url"]: (item["held"], item["hold_url"], item["hold_why"]) for item in ls} == {
        rig.url("a/1"): (False, None, None), rig.url("a/held"): (True, rig.url("a/held"), "held by hand"),
        rig.url("b/\u00e4 +%?&=#"): (True, rig.url("b/"), "held by hand")}, ls
    text = alone[("reclaims", "ls", "--limit", "0", "--now", "2040-01-01T00:00:00Z")][1]
    assert text.count("on hold until released: held by hand\n") == 1, text
    assert f"on hold until released: held by hand, with all of {rig.url('b/')}\n" in text, text
    assert [code for code, _, _ in (alone[row] for row in questions(rig)[20:29])] == [3, 3, 3, 2, 2, 3, 2, 2, 2]
    print(f"ok  {len(alone)} questions: the same answer, line and exit code with an agent and without")
    return number


def changes(rig, left):
    """What one does through the agent is what one would have done without it."""
    def all_of(key, number):
        url = rig.url(key)
        rows = [("reclaims", "hold", url), ("reclaims", "release", url), ("reclaims", "hold", url, "--until", "+1d"),
                ("reclaims", "release", url), ("reclaims", "cancel", url), ("reclaims", "plan"),
                ("uploads", "abort", number)]
        told = [answer(rig, (*row, "--json")) for row in rows]
        return [(code, out.replace(url, "URL").replace(rig.url("up/left"), "UP").replace(rig.url("up/more"), "UP"), err)
                for code, out, err in told]

    record(rig, ("c/alone", "c/agent"), "argo/two")
    more = interrupted(rig, "more")
    alone = all_of("c/alone", left)
    assert all(code == 0 for code, _, _ in alone), alone
    with Agent(rig, top=QUIET) as agent:
        assert all_of("c/agent", more) == alone, alone
        for verb in ("hold", "release", "cancel", "plan", "abort"):
            assert f"admin: /v1/{verb}: done" in agent.log(), agent.log()
    assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""
    states = [json.loads(rig.run("explain", rig.url(key), "--json")[0].splitlines()[0])
              for key in ("c/alone", "c/agent")]
    assert [(s["state"], s["state_reason"]) for s in states] == [("kept", "cancelled by hand")] * 2, states
    print("ok  hold, release, cancel, plan, abort: the agent does them, with the same words and effect")


def live_upload(rig):
    process, upload = sending(rig, "live")
    with Agent(rig, top=QUIET) as agent:
        told = json.loads(agent.get("/api/uploads")[2])["uploads"]
        assert [(u["id"], u["pid"], u["running"], u["size_bytes"]) for u in told] == [
            (upload["id"], process.pid, True, None)] and told[0]["done_bytes"] >= 5 * MIB, told
        assert "running" in rig.run("uploads")[0]
        _, err = rig.run("uploads", "abort", upload["id"], expect=7)
        assert f"locked by pid {process.pid}" in err and len(err.splitlines()) == 1, err
    process.communicate()
    assert process.returncode == 0
    print("ok  an upload that runs: its progress through the agent; it is not aborted")


def other_credentials(rig):
    """An agent that may not abort an upload says whose credentials it used; with a store flag one's own are."""
    if rig.kind != "versitygw":
        return
    number = interrupted(rig, "foreign")
    with Agent(rig, top=QUIET, env={"AWS_SECRET_ACCESS_KEY": "another"}):
        _, err = rig.run("uploads", "abort", number, expect=4)
        assert "the agent asked with its credentials" in err and len(err.splitlines()) == 1, err
        assert rig.uploads_left() and rig.run("uploads", "--json")[0], "it is forgotten, and not aborted"
        rig.run("uploads", "abort", number, "--endpoint", f"http://127.0.0.1:{rig.port}")
    assert rig.uploads_left() == [] and rig.run("uploads", "--json")[0] == ""
    print("ok  an abort that the agent's credentials do not allow: kept, and done by one's own")


def loaded_policies(rig):
    """An agent answers by the policies that it has loaded, not by the files as they are now."""
    policies = rig.dir / "mine"
    policies.mkdir()
    (policies / "50-mine.lua").write_text(KEEP % "as loaded")
    rig.env["PURSER_POLICY_PATH"] = str(policies)
    record(rig, ("d/1",), "argo/three")
    with Agent(rig, top=QUIET):
        (policies / "50-mine.lua").write_text(KEEP % "as edited")
        assert "as loaded" in rig.run("explain", rig.url("d/1"))[0]
        assert "as edited" in rig.run("explain", rig.url("d/1"), "--policy-path", policies)[0]
        (policies / "51-more.lua").write_text("return { api = 1, nonsense = 1 }\n")
        assert "51-more" not in rig.run("policy", "list")[0]
        rig.run("policy", "list", "--policy-path", policies, expect=2)
        for args in (("status",), ("uploads",), ("reclaims", "ls"), ("explain", rig.url("d/1"))):
            rig.run(*args)  # what is broken on the disk is not what is in force
        rig.run("policy", "check", expect=2)
    rig.run("explain", rig.url("d/1"), expect=2)
    shutil.rmtree(policies)
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  explain and policy list: by what the agent has loaded; --policy-path asks others, here")


def as_nobody(rig, program, *args):
    """Another user, with a state of its own, who was told of the socket."""
    env = dict(rig.env, PURSER_STATE_DIR=str(rig.dir / "nobodys"), PURSER_CONFIG=str(rig.dir / "nobody.yaml"))
    done = subprocess.run([program, *map(str, args)], env=env, capture_output=True, check=False, user=65534, group=65534,
                          extra_groups=[])
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def levels(rig):
    if os.getuid() != 0:
        return
    program = rig.dir / "purser-for-all"  # the build may lie where only its owner looks
    shutil.copy(PURSER, program)
    rig.dir.chmod(0o755)
    (rig.dir / "nobodys").mkdir()
    os.chown(rig.dir / "nobodys", 65534, 65534)
    path = rig.dir / "open.socket"
    (rig.dir / "nobody.yaml").write_text(f"admin: {{ socket: {path} }}\n")
    with Agent(rig, top=QUIET + f"admin: {{ socket: {path} }}\n"):
        for args in (("status",), ("reclaims", "ls"), ("reclaims", "hold", rig.url("a/1"))):
            code, out, err = as_nobody(rig, program, *args)
            assert code == 4 and not out and len(err.splitlines()) == 1 and "may not ask the agent" in err, (args, err)
        path.chmod(0o666)
        for args in (("status",), ("uploads",), ("policy", "list"), ("explain", rig.url("a/1")), ("reclaims", "ls")):
            code, out, err = as_nobody(rig, program, *args)
            assert code == 0, (args, err)
        assert rig.url("a/1") in out, "not the agent's list"
        for args in (("reclaims", "hold", rig.url("a/1")), ("reclaims", "release", rig.url("a/held")),
                     ("reclaims", "cancel", rig.url("a/1")), ("reclaims", "plan"), ("uploads", "abort", "1"),
                     ("reload",), ("drain",)):
            code, out, err = as_nobody(rig, program, *args)
            assert code == 4 and len(err.splitlines()) == 1 and "only the agent's user and root" in err, (args, err)
    print("ok  another user: nothing at 0600; where the socket was widened, to read and no more")


class Pretender(socketserver.UnixStreamServer):
    """Something at the agent's socket that is no agent of this version."""

    def __init__(self, path, status, headers, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

            def do_GET(self):
                if status == 0:
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        pathlib.Path(self.server_address).unlink()


def others(rig):
    path = rig.dir / "state" / "admin.socket"
    ours, theirs = {"Purser-Version": "0.1.0"}, {"Purser-Version": "9.9.9"}
    unknown = b'{"error":{"code":"unsupported","message":"nothing is here"}}'
    rows = [(200, {}, b'{"reclaims":[]}', 2, 2, "another version, or none"), (404, {}, b"no such page", 2, 2, "or none"),
            (404, theirs, unknown, 2, 2, "purser 9.9.9"), (200, theirs, b"{}", 2, 0, "no list of reclaims"),
            (200, ours, b"{", 2, 2, "purser 0.1.0"), (0, {}, b"", 5, 5, "gave no whole answer"),
            (500, ours, b'{"error":{"code":"io","message":"state: broken"}}', 10, 10, "state: broken")]
    for status, headers, body, read_code, change_code, words in rows:
        with Pretender(path, status, headers, body):
            for code, args in ((read_code, ("reclaims", "ls")), (change_code, ("reclaims", "hold", rig.url("a/1")))):
                done, out, err = answer(rig, args)
                assert done == code and not out, (status, body, args, done, err)
                assert code == 0 or (words in err and len(err.splitlines()) == 1), (words, err)
    agent = Agent(rig, top=QUIET)
    agent.process.send_signal(signal.SIGKILL)
    agent.process.wait()
    agent.process.stderr.close()
    assert path.exists() and "none runs" in rig.run("status")[0]
    path.unlink()
    with socket.socket(socket.AF_UNIX) as full:  # a queue of one, which is full: connect(2) says EAGAIN
        full.bind(str(path))
        full.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(str(path))
        _, err = rig.run("status", expect=5)
        assert "gave no whole answer: is it stopped" in err and len(err.splitlines()) == 1, err
        for one in waiting:
            one.close()
    path.unlink()
    print("ok  another version, no agent, one that dies, a dead one's socket, one that takes no connection: a line each")


def main():
    with Rig(sys.argv[1]) as rig:
        left = looks(rig)
        changes(rig, left)
        live_upload(rig)
        other_credentials(rig)
        loaded_policies(rig)
        levels(rig)
        others(rig)


main()
