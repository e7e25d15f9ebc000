#!/usr/bin/env python3
"""What is recorded goes when its workflow says so, and nothing else: strategies, holds, races, the fuse, kills."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from rig import MIB, PURSER, Rig, kill


def exists(rig, key):
    if rig.kind == "oss":
        return rig.oss2_bucket().object_exists(key)
    if rig.kind in ("minio", "ceph"):
        answer = rig.s3_client().list_objects_v2(Bucket="bkt", Prefix=key)
        return any(row["Key"] == key for row in answer.get("Contents", []))
    return rig.stored(key).exists()


def put(rig, key, *flags, content=None):
    source = rig.dir / "source"
    source.write_text(content or key)
    rig.run("put", "-q", source, rig.url(key), *flags)


def swept(rig, *flags, expect=0):
    """Run a sweep; returns its items by key and its result."""
    out, _ = rig.run("reclaims", "run", "--json", *flags, expect=expect)
    lines = [json.loads(line) for line in out.splitlines()]
    items = {line["url"].removeprefix(rig.root + "/"): line for line in lines if line["type"] == "swept"}
    results = [line for line in lines if line["type"] == "result"]
    return items, results[-1] if results else None


def pending(rig, *flags):
    out, _ = rig.run("reclaims", "ls", "--json", *flags)
    return {line["url"].removeprefix(rig.root + "/"): line for line in map(json.loads, out.splitlines())}


def two_strategies(rig):
    """The sample of the two strategies: one goes at completion, the other stays until the workflow is deleted."""
    put(rig, "two/on-completion", "--workflow", "argo/two", "--gc", "OnWorkflowCompletion")
    put(rig, "two/on-deletion", "--workflow", "argo/two", "--gc", "OnWorkflowDeletion")
    put(rig, "two/never", "--workflow", "argo/two", "--gc", "Never")
    put(rig, "two/unset", "--workflow", "argo/two")
    assert pending(rig) == {}
    rig.run("workflow", "argo/two", "completed", "--status", "Succeeded")
    assert list(pending(rig)) == ["two/on-completion"]
    swept(rig)
    assert not exists(rig, "two/on-completion") and exists(rig, "two/on-deletion")
    rig.run("workflow", "argo/two", "deleted")
    swept(rig)
    assert not exists(rig, "two/on-deletion") and exists(rig, "two/never") and exists(rig, "two/unset")
    rig.run("workflow", "argo/two", "cleared")
    swept(rig)
    assert exists(rig, "two/never") and not exists(rig, "two/unset")
    out, _ = rig.run("reclaims", "history", "--json")
    deleted = [json.loads(line)["url"] for line in out.splitlines() if json.loads(line)["what"] == "deleted"]
    assert sorted(deleted) == [rig.url("two/on-completion"), rig.url("two/on-deletion"), rig.url("two/unset")]
    print("ok  two strategies, never, cleared")


def delays(rig):
    put(rig, "delay/week", "--workflow", "argo/delay", "--gc", "OnWorkflowCompletion", "--label", "purser/reclaim-after=7d")
    put(rig, "delay/nonsense", "--workflow", "argo/delay", "--gc", "OnWorkflowCompletion", "--label",
        "purser/reclaim-after=soon")
    put(rig, "delay/held", "--workflow", "argo/delay", "--gc", "OnWorkflowCompletion", "--label", "purser/hold=audit")
    rig.run("workflow", "argo/delay", "completed", "--status", "Failed")
    swept(rig)
    swept(rig, "--now", "+6d")
    assert exists(rig, "delay/week")
    assert list(pending(rig, "--due", "24h")) == [] and list(pending(rig, "--due", "24h", "--now", "+6d")) == ["delay/week"]
    swept(rig, "--now", "+7d")
    assert not exists(rig, "delay/week") and exists(rig, "delay/nonsense") and exists(rig, "delay/held")
    print("ok  after 7 days; a label that is no duration, and a label that holds, keep")


def holds(rig):
    for key in ("hold/a", "hold/b", "hold/c", "hold/dir/d"):
        put(rig, key, "--workflow", "argo/hold", "--gc", "OnWorkflowCompletion")
    rig.run("workflow", "argo/hold", "completed", "--status", "Succeeded")
    rig.run("reclaims", "hold", rig.url("hold/a"))
    rig.run("reclaims", "hold", rig.url("hold/b"), "--until", "+1d")
    rig.run("reclaims", "cancel", rig.url("hold/c"))
    rig.run("reclaims", "hold", rig.url("hold/dir/"))
    rig.run("reclaims", "hold", rig.url("x"), "--until", "2020-01-01", expect=2)
    items, _ = swept(rig)
    assert items["hold/a"]["what"] == "kept" and "on hold" in items["hold/a"]["reason"]
    assert items["hold/b"]["what"] == "postponed"
    assert items["hold/dir/d"]["what"] == "kept"
    assert all(exists(rig, f"hold/{key}") for key in ("a", "b", "c", "dir/d"))
    rig.run("reclaims", "release", rig.url("hold/a"))
    rig.run("reclaims", "release", rig.url("hold/a"), expect=3)
    items, _ = swept(rig, "--now", "+2d")
    assert sorted(items) == ["hold/a", "hold/b"] and not exists(rig, "hold/a") and not exists(rig, "hold/b")
    assert exists(rig, "hold/c") and exists(rig, "hold/dir/d")
    print("ok  hold, hold until, hold of a prefix, release, cancel")


def changed_objects(rig):
    for key in ("race/other", "race/same", "race/gone"):
        put(rig, key, "--workflow", "argo/race", "--gc", "OnWorkflowCompletion")
    rig.run("workflow", "argo/race", "completed", "--status", "Succeeded")
    put(rig, "race/other", content="uploaded again by somebody else")
    rig.run("rm", "-q", rig.url("race/gone"))
    items, result = swept(rig)
    assert items["race/other"]["what"] == "kept" and "uploaded again" in items["race/other"]["reason"], items
    assert items["race/gone"]["what"] == "gone" and items["race/same"]["what"] == "deleted"
    assert exists(rig, "race/other") and not exists(rig, "race/same") and result["gone"] == 1
    print("ok  uploaded again since = kept; gone already = done")


def shared_objects(rig):
    put(rig, "shared/model", "--workflow", "argo/first", "--gc", "OnWorkflowCompletion", content="model")
    put(rig, "shared/model", "--workflow", "argo/second", "--gc", "OnWorkflowCompletion", content="model")
    rig.run("workflow", "argo/first", "completed", "--status", "Succeeded")
    items, _ = swept(rig)
    assert items["shared/model"]["what"] == "kept" and "argo/second" in items["shared/model"]["reason"]
    assert exists(rig, "shared/model")
    rig.run("workflow", "argo/second", "completed", "--status", "Succeeded")
    swept(rig)
    assert not exists(rig, "shared/model")
    put(rig, "shared/both", "--workflow", "argo/third", "--gc", "OnWorkflowCompletion", content="both")
    put(rig, "shared/both", "--workflow", "argo/fourth", "--gc", "OnWorkflowCompletion", content="both")
    rig.run("workflow", "argo/third", "completed", "--status", "Succeeded")
    rig.run("workflow", "argo/fourth", "completed", "--status", "Succeeded")
    swept(rig)
    assert not exists(rig, "shared/both"), "two claims that are due at once: forgotten"
    print("ok  an object of two workflows goes with the last of them")


def the_fuse(rig):
    count = 12
    rig.env["PURSER_RECLAIM_FUSE_COUNT"] = "11"
    for i in range(count):
        put(rig, f"fuse/{i:03}", "--workflow", "argo/fuse", "--gc", "OnWorkflowCompletion", "--label", f"i={i}")
    rig.run("workflow", "argo/fuse", "completed", "--status", "Succeeded")
    _, err = rig.run("reclaims", "run", expect=8)
    assert "fuse" in err and "--max" in err, err
    _, err = rig.run("reclaims", "run", "--max", "11", expect=8)
    _, err = rig.run("reclaims", "run", "--max", "many", expect=2)
    assert all(exists(rig, f"fuse/{i:03}") for i in range(count))
    out, err = rig.run("reclaims", "run", "--dry-run", "--max", "100%")
    assert f"would delete {count} " in err and "deleted" not in err, err
    assert sum(line.startswith("delete ") for line in out.splitlines()) == count, out[:200]
    assert all(exists(rig, f"fuse/{i:03}") for i in range(count)), "a dry run deleted"
    _, result = swept(rig, "--max", str(count))
    assert result["deleted"] == count and not any(exists(rig, f"fuse/{i:03}") for i in range(count))
    del rig.env["PURSER_RECLAIM_FUSE_COUNT"]
    print("ok  the fuse stops before the first delete; a dry run deletes nothing")


def first_dry_run(rig):
    put(rig, "first/kept", "--workflow", "argo/before", "--gc", "Never")
    _, err = rig.run("reclaims", "run", "--dry-run")
    assert "would be the first run" in err and "others than before" not in err, err
    _, err = rig.run("reclaims", "run", "--log-level", "info")
    assert "others than before" not in err, err
    _, err = rig.run("reclaims", "run", "--dry-run")
    assert "note:" not in err, err
    print("ok  a first dry run compares with no policies that were never there")


def faulty_policies(rig):
    policies = rig.dir / "faulty"
    policies.mkdir()
    rig.env["PURSER_POLICY_PATH"] = str(policies)
    for i, body in enumerate(("error('broken')", "while true do end", "return { action = 'destroy', reason = 'x' }",
                              "return { action = 'delete' }", "return { action = 'delete', after = -1, reason = 'x' }",
                              "return 7", "return { action = 'keep', reason = 'mine' }")):
        (policies / "50-faulty.lua").write_text(
            f"return {{ api = 1, name = 'faulty', reclaim = function(artifact, workflow, now) {body} end }}")
        (policies / "60-eager.lua").write_text(
            "return { api = 1, name = 'eager', reclaim = function(_, workflow) "
            "if workflow and purser.prefix('faulty', workflow.name) then return { action = 'delete', reason = 'all' } end "
            "end }")
        put(rig, f"faulty/{i}", "--workflow", f"argo/faulty{i}", "--gc", "OnWorkflowCompletion")
        rig.run("workflow", f"argo/faulty{i}", "completed", "--status", "Succeeded")
        swept(rig)
        assert exists(rig, f"faulty/{i}"), body
    out, _ = rig.run("explain", rig.url("faulty/0"))
    assert "50-faulty.lua:" in out and "keep" in out, out
    (policies / "50-faulty.lua").unlink()
    items, _ = swept(rig)
    deleted = [key for key, item in items.items() if item["what"] == "deleted"]
    assert sorted(deleted) == [f"faulty/{i}" for i in range(7)] and not exists(rig, "faulty/0"), items
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  a policy that fails, times out or answers nonsense keeps; mended, it is asked anew")


def other_policies(rig):
    """Policies that change are asked anew about all that is known, by the next run; explain tells until then."""
    policies = rig.dir / "changing"
    policies.mkdir()
    rig.env["PURSER_POLICY_PATH"] = str(policies)

    def set_after(days):
        (policies / "50-age.lua").write_text(
            "return { api = 1, name = 'age', reclaim = function(artifact) if purser.glob('**age/*', artifact.key) then "
            f"return {{ action = 'delete', after = '{days}d', reason = '{days} days' }} end end }}")

    set_after(30)
    put(rig, "age/a", "--workflow", "argo/age")
    swept(rig)
    assert pending(rig)["age/a"]["reason"] == "30 days"
    set_after(2)
    out, _ = rig.run("explain", rig.url("age/a"))
    assert "asked anew" in out and "30 days" in out and "2 days" in out, out
    _, err = rig.run("reclaims", "run", "--dry-run", "--now", "+3d")
    assert "asks anew" in err, err
    killed = run_killed(rig, "plan.asked", "reclaims", "run", "--now", "+1d")
    assert killed and pending(rig)["age/a"]["reason"] == "30 days" and exists(rig, "age/a")
    swept(rig, "--now", "+1d")
    assert pending(rig)["age/a"]["reason"] == "2 days" and exists(rig, "age/a")
    assert "asked anew" not in rig.run("explain", rig.url("age/a"))[0]
    _, err = rig.run("reclaims", "run", "--log-level", "info")
    assert "asked about anew" not in err, err
    set_after(60)
    swept(rig, "--now", "+3d")
    assert exists(rig, "age/a") and pending(rig)["age/a"]["reason"] == "60 days"
    del rig.env["PURSER_POLICY_PATH"]
    swept(rig, "--now", "+61d")
    assert exists(rig, "age/a"), "what no policy asks for any more is deleted"
    print("ok  other policies: asked anew by the next run, also after a kill")


def with_policies(rig, *names):
    """Put these optional policies in force, as a user does: by a copy."""
    directory = rig.dir / "chosen"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name in names:
        shutil.copy(pathlib.Path(__file__).parents[2] / "policies" / "optional" / name, directory)
    rig.env["PURSER_POLICY_PATH"] = str(directory)


def shipped_policies(rig):
    with_policies(rig, "31-only-succeeded.lua")
    for status in ("Succeeded", "Failed"):
        put(rig, f"ship/{status}", "--workflow", f"argo/ship-{status}", "--gc", "OnWorkflowCompletion")
        rig.run("workflow", f"argo/ship-{status}", "completed", "--status", status)
    swept(rig)
    assert not exists(rig, "ship/Succeeded") and exists(rig, "ship/Failed")
    with_policies(rig, "32-only-failed.lua")
    put(rig, "ship/Succeeded", "--workflow", "argo/ship-good", "--gc", "OnWorkflowCompletion")
    rig.run("workflow", "argo/ship-good", "completed", "--status", "Succeeded")
    out, _ = rig.run("policy", "simulate", rig.env["PURSER_POLICY_PATH"], "--json")
    result = json.loads(out)
    assert result["delete"]["samples"] == [rig.url("ship/Failed")], result
    rig.run("reclaims", "plan")
    swept(rig)
    assert exists(rig, "ship/Succeeded") and not exists(rig, "ship/Failed")
    out, _ = rig.run("policy", "replay", rig.env["PURSER_POLICY_PATH"], "--since", "1d", "--json")
    assert json.loads(out)["keep"]["count"] > 0, out
    rig.run("cat", rig.url("ship/Succeeded"))
    assert "fetched" in rig.run("reclaims", "history")[0]
    with_policies(rig, "34-keep-last.lua")
    for i in range(7):
        put(rig, f"last/{i}", "--workflow", f"argo/last-{i}", "--template", "train", "--gc", "OnWorkflowCompletion")
        rig.run("workflow", f"argo/last-{i}", "completed", "--status", "Succeeded", "--now", f"+{i + 1}s")
    swept(rig, "--now", "+1m")
    assert [i for i in range(7) if exists(rig, f"last/{i}")] == [2, 3, 4, 5, 6]
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  only succeeded, only failed, keep the last 5; simulate and replay")


def archives(rig):
    """Into a colder class by a copy onto itself; where there is none, the object is kept with the reason."""
    storage_class = "Archive" if rig.kind == "oss" else "REDUCED_REDUNDANCY"
    policies = rig.dir / "archives"
    policies.mkdir()
    (policies / "50-cold.lua").write_text(
        "return { api = 1, name = 'cold', reclaim = function(artifact) if purser.glob('**cold/*', artifact.key) then "
        f"return {{ action = 'archive', class = '{storage_class}', reason = 'cold' }} end end }}")
    rig.env["PURSER_POLICY_PATH"] = str(policies)
    put(rig, "cold/a", "--workflow", "argo/cold")
    items, result = swept(rig)
    if rig.kind == "file":
        assert items["cold/a"]["what"] == "kept" and "cannot be archived" in items["cold/a"]["reason"], items
    elif rig.kind in ("oss", "minio"):
        assert result["archived"] == 1, items
        out, _ = rig.run("stat", rig.url("cold/a"), "--json")
        assert storage_class in out, out
        assert swept(rig)[1]["due"] == 0
    assert exists(rig, "cold/a")
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  archived, or kept where that cannot be")


def run_killed(rig, point, *command):
    env = dict(rig.env, PURSER_FAULT_POINT=point)
    done = subprocess.run([PURSER, *command], env=env, capture_output=True, check=False)
    return done.returncode == -signal.SIGKILL


def kills(rig):
    """SIGKILL at every state transition: the plan is done in the end, and only the plan."""
    points = ["workflow.reported", "plan.asked", "plan.written", "sweep.taken", "sweep.verified", "sweep.marked",
              "sweep.sending", "sweep.deleted", "sweep.asked", "sweep.settled"]
    for n, point in enumerate(points):
        for i in range(3):
            put(rig, f"kill{n}/go{i}", "--workflow", f"argo/kill{n}", "--gc", "OnWorkflowCompletion")
            put(rig, f"kill{n}/stay{i}", "--workflow", f"argo/kill{n}", "--gc", "OnWorkflowDeletion")
        killed = run_killed(rig, point, "workflow", f"argo/kill{n}", "completed", "--status", "Succeeded")
        killed = run_killed(rig, point, "reclaims", "run") or killed
        assert killed, f"{point} was not passed"
        assert all(exists(rig, f"kill{n}/stay{i}") for i in range(3)), f"{point}: deleted what stays"
        swept(rig)
        assert not any(exists(rig, f"kill{n}/go{i}") for i in range(3)), f"{point}: forgot"
        assert all(exists(rig, f"kill{n}/stay{i}") for i in range(3)), f"{point}: deleted what stays"
        assert not any(key.startswith(f"kill{n}/") for key in pending(rig)), f"{point}: left pending"
    print(f"ok  SIGKILL at {len(points)} points")


def orphans(rig):
    """An upload that was killed long ago is aborted; one that may be resumed is not."""
    process = rig.start("put", "-q", "-", rig.url("orphan"), stdin=subprocess.PIPE)
    process.stdin.write(bytes(12 * MIB))  # two parts of a stream that does not end
    process.stdin.flush()
    while not (rig.uploads_left() and rig.run("uploads", "--json")[0]):
        assert process.poll() is None
    kill(process)
    process.stdin.close()
    rig.run("reclaims", "run", "--now", "+6d")
    assert rig.uploads_left() and rig.run("uploads", "--json")[0]
    rig.run("reclaims", "run", "--dry-run", "--now", "+8d")
    assert rig.uploads_left()
    rig.run("reclaims", "run", "--now", "+8d")
    assert not rig.uploads_left() and not rig.run("uploads", "--json")[0]
    print("ok  an upload that nobody resumed for a week is aborted")


def an_unreachable_store(rig):
    if rig.kind == "file":
        put(rig, "mount/a", "--workflow", "argo/mount", "--gc", "OnWorkflowCompletion")
        rig.run("workflow", "argo/mount", "completed", "--status", "Succeeded")
        os.rename(rig.stored("mount"), rig.dir / "unmounted")
        items, _ = swept(rig, expect=6)
        assert items["mount/a"]["what"] == "postponed"
        os.rename(rig.dir / "unmounted", rig.stored("mount"))
        swept(rig, "--now", "+1d")
        assert not exists(rig, "mount/a")
        print("ok  a directory that is not mounted is not forgotten")
        return
    put(rig, "down/a", "--workflow", "argo/down", "--gc", "OnWorkflowCompletion")
    rig.run("workflow", "argo/down", "completed", "--status", "Succeeded")
    rightly = dict(rig.env)
    for name in list(rig.env):
        if name.endswith("_SECRET_ACCESS_KEY") or name.endswith("_ACCESS_KEY_SECRET"):
            rig.env[name] = "wrong"
    items, _ = swept(rig, expect=6)
    rig.env = rightly
    assert items["down/a"]["what"] == "postponed"
    swept(rig, "--now", "+1d")
    assert not exists(rig, "down/a")
    print("ok  a store that refuses us is tried again")


def main():
    with Rig(sys.argv[1]) as rig:
        first_dry_run(rig)
        two_strategies(rig)
        delays(rig)
        holds(rig)
        changed_objects(rig)
        shared_objects(rig)
        the_fuse(rig)
        faulty_policies(rig)
        other_policies(rig)
        shipped_policies(rig)
        archives(rig)
        kills(rig)
        orphans(rig)
        an_unreachable_store(rig)


main()
