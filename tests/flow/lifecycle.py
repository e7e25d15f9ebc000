#!/usr/bin/env python3
"""Bucket rules of policies: shown, compared, put in place and read back; rules of others stay as they are."""
import json
import subprocess
import sys
import time

from rig import Rig, kill

FOREIGN_S3 = ('<Rule><ID>mine &amp; yours</ID><Filter><Prefix>theirs/</Prefix></Filter><Status>Disabled</Status>'
              '<Expiration><Days>400</Days></Expiration></Rule>')
# Elements that no row of a policy can say, and white space: OSS, PutBucketLifecycle.
FOREIGN_OSS = ('<Rule>\n  <ID>mine &amp; yours</ID><Prefix>theirs/</Prefix><Status>Disabled</Status><Filter><Not>'
               '<Prefix>theirs/not</Prefix></Not></Filter><Expiration><CreatedBeforeDate>2020-01-01T00:00:00.000Z'
               '</CreatedBeforeDate></Expiration></Rule>')


def rules_of(rig, *args, **kwargs):
    out, err = rig.run("lifecycle", *args, "--json", **kwargs)
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["id"]: line for line in lines if line["type"] == "rule"}, lines, err


def set_policy(rig, rows):
    directory = rig.dir / "lifecycle-policies"
    directory.mkdir(exist_ok=True)
    (directory / "60-buckets.lua").write_text(
        f"return {{ api = 1, name = 'buckets', lifecycle = {{ {rows} }} }}")
    rig.env["PURSER_POLICY_PATH"] = str(directory)


def put_foreign(rig):
    """As another tool would: not through purser."""
    if rig.kind == "file":
        (rig.data / "bkt" / ".purser").mkdir(exist_ok=True)
        (rig.data / "bkt" / ".purser" / "lifecycle.xml").write_text(
            f"<LifecycleConfiguration>\n{FOREIGN_S3}\n</LifecycleConfiguration>")
    elif rig.kind == "oss":
        rig.oss2_bucket()._do("PUT", "bkt", "", params={"lifecycle": ""},  # pylint: disable=protected-access
                              data=f"<LifecycleConfiguration>{FOREIGN_OSS}</LifecycleConfiguration>")
    else:
        rig.s3_client().put_bucket_lifecycle_configuration(Bucket="bkt", LifecycleConfiguration={"Rules": [
            {"ID": "mine & yours", "Filter": {"Prefix": "theirs/"}, "Status": "Disabled", "Expiration": {"Days": 400}}]})


def seen_by_others(rig):
    """The rules by id, as the vendor's own client reads them."""
    if rig.kind == "oss":
        return {rule.id: rule for rule in rig.oss2_bucket().get_bucket_lifecycle().rules}
    if rig.kind == "file":
        return None
    answer = rig.s3_client().get_bucket_lifecycle_configuration(Bucket="bkt")
    return {rule["ID"]: rule for rule in answer["Rules"]}


def nothing_yet(rig):
    _, err = rig.run("lifecycle", "show", rig.root)
    assert "has no lifecycle rules" in err, err
    rig.run("lifecycle", "show", rig.root + "/key", expect=2 if rig.kind != "file" else 3)
    rig.run("lifecycle", "shwo", rig.root, expect=2)
    rig.run("lifecycle", "show", expect=2)
    rig.run("lifecycle", "show", rig.root, "--why", expect=2)
    _, lines, _ = rules_of(rig, "apply", rig.root)
    assert lines[-1]["changes"] == 0
    print("ok  a bucket without rules, slips")


def apply_beside_others(rig):
    put_foreign(rig)
    before, _, _ = rules_of(rig, "show", rig.root)
    assert list(before) == ["mine & yours"] and not before["mine & yours"]["own"], before
    storage_class = "Archive" if rig.kind == "oss" else "GLACIER"
    # MinIO takes a transition only to a tier that was set up before.
    archive = f", archive = {{ after = '30d', class = '{storage_class}' }}" if rig.kind != "minio" else ""
    set_policy(rig, f"{{ prefix = 'tmp/', expire = '7d' }}, {{ prefix = 'data/<&>/', expire = '90d'{archive} }}, "
                    "{ prefix = '', tags = { kind = 'cache', team = 'a' }, expire = '30d' }")
    rules, lines, _ = rules_of(rig, "diff", rig.root)
    assert [rules[f"purser-buckets-{i}"]["change"] for i in (1, 2, 3)] == ["+", "+", "+"], rules
    assert rules["purser-buckets-1"]["where"].endswith("60-buckets.lua:1") and lines[-1]["changes"] == 3
    rules_of(rig, "apply", rig.root, "--dry-run")
    assert list(rules_of(rig, "show", rig.root)[0]) == ["mine & yours"], "a dry run wrote"
    _, lines, _ = rules_of(rig, "apply", rig.root)
    assert lines[-1] | {"changes": 3, "applied": True} == lines[-1], lines
    after, _, _ = rules_of(rig, "show", rig.root)
    assert after["mine & yours"]["xml"] == before["mine & yours"]["xml"], "a rule of others is another"
    theirs = seen_by_others(rig)
    if theirs is not None:
        assert sorted(theirs) == ["mine & yours", "purser-buckets-1", "purser-buckets-2", "purser-buckets-3"], theirs
        days = theirs["purser-buckets-1"]
        assert (days.expiration.days if rig.kind == "oss" else days["Expiration"]["Days"]) == 7
        prefix = theirs["purser-buckets-2"]
        assert (prefix.prefix if rig.kind == "oss" else prefix["Filter"]["Prefix"]) == "data/<&>/"
    _, lines, _ = rules_of(rig, "apply", rig.root)
    assert lines[-1]["changes"] == 0, lines
    print("ok  applied beside the rule of others, which stays byte for byte; again: no change")


def change_and_remove(rig):
    before, _, _ = rules_of(rig, "show", rig.root)
    set_policy(rig, "{ prefix = 'tmp/', expire = '8d' }, { prefix = 's3://another-bucket/x/', expire = '1d' }")
    rules, _, _ = rules_of(rig, "diff", rig.root)
    changes = {name: rule["change"] for name, rule in rules.items()}
    assert changes == {"mine & yours": " ", "purser-buckets-1": "~", "purser-buckets-2": "-", "purser-buckets-3": "-"}, changes
    out, err = rig.run("lifecycle", "apply", rig.root)
    assert "~ purser-buckets-1" in out and "3 changes, in force" in err, out + err
    after, _, _ = rules_of(rig, "show", rig.root)
    assert list(after) == ["mine & yours", "purser-buckets-1"] and "8d" in after["purser-buckets-1"]["text"], after
    assert after["mine & yours"]["xml"] == before["mine & yours"]["xml"]
    set_policy(rig, "")
    rig.run("lifecycle", "apply", rig.root)
    assert list(rules_of(rig, "show", rig.root)[0]) == ["mine & yours"]
    print("ok  changed, removed; a row of another bucket is not of this one")


def refused(rig):
    set_policy(rig, "{ prefix = 'tmp/', expire = '7d' }, { expire = '7d' }")
    _, err = rig.run("lifecycle", "diff", rig.root, expect=2)
    assert "60-buckets.lua:1: lifecycle row 2: `prefix` is missing" in err, err
    if rig.kind == "file":
        (rig.data / "bkt" / ".purser" / "lifecycle.xml").write_text("<Lifecycle")
        set_policy(rig, "{ prefix = 'tmp/', expire = '7d' }")
        rig.run("lifecycle", "apply", rig.root, expect=9)
        assert (rig.data / "bkt" / ".purser" / "lifecycle.xml").read_text() == "<Lifecycle"
        (rig.data / "bkt" / ".purser" / "lifecycle.xml").unlink()
    del rig.env["PURSER_POLICY_PATH"]
    print("ok  a row without a prefix, a configuration that cannot be read: nothing is written")


def swept(rig, *flags):
    out, _ = rig.run("reclaims", "run", "--json", *flags)
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["url"].removeprefix(rig.root + "/"): line for line in lines if line["type"] in ("swept", "expired")}


def put(rig, key, *flags):
    source = rig.dir / "source"
    source.write_text(key)
    rig.run("put", "-q", source, rig.url(key), *flags)


def looked_after(rig):
    """A directory has nobody but purser to act on its rules: by planner, fuse and sweeper, as policies do."""
    set_policy(rig, "{ prefix = 'tmp/', expire = '7d', abort_incomplete = '3d' }, "
                    "{ prefix = 'tagged/', tags = { kind = 'cache' }, expire = '2d' }")
    _, err = rig.run("lifecycle", "apply", rig.root)
    assert "under `stores`" in err, err
    for key in ("tmp/a", "tmp/held", "tmp/kept", "tmp/later", "other/b", "tagged/no"):
        put(rig, key)
    put(rig, "tagged/yes", "--tag", "kind=cache")
    put(rig, "tagged/more", "--tag", "kind=model")
    put(rig, "tmp/of-workflow", "--workflow", "argo/w", "--gc", "OnWorkflowDeletion")
    assert swept(rig, "--now", "+8d") == {}, "rules of a directory that is under no `stores` were acted on"
    (rig.dir / "purser.yaml").write_text(f"stores:\n  files:\n    url: {rig.root}/\n")
    rig.env["PURSER_CONFIG"] = str(rig.dir / "purser.yaml")
    _, err = rig.run("lifecycle", "apply", rig.root)
    assert "under `stores`" not in err, err
    rig.run("reclaims", "hold", rig.url("tmp/held"))
    (rig.dir / "lifecycle-policies" / "50-kept.lua").write_text(
        "return { api = 1, name = 'kept', reclaim = function(artifact) if purser.glob('**/kept', artifact.key) then "
        "return { action = 'keep', reason = 'mine' } end end }")
    assert swept(rig, "--now", "+1d") == {}
    dry = swept(rig, "--dry-run", "--now", "+8d")
    assert dry["tmp/a"]["rule"] == "purser-buckets-1" and rig.stored("tmp/a").exists(), dry
    _, err = rig.run("reclaims", "run", "--now", "+8d", "--max", "2", expect=8)
    assert "fuse" in err and rig.stored("tmp/a").exists()
    items = swept(rig, "--now", "+8d")
    gone = {key for key, item in items.items() if item["what"] == "deleted"}
    assert gone == {"tmp/a", "tmp/later", "tagged/yes", "tmp/of-workflow"}, items
    assert "rule purser-buckets-1" in items["tmp/a"]["reason"], items
    left = {str(p.relative_to(rig.data / "bkt")) for p in (rig.data / "bkt").rglob("*") if p.is_file()}
    assert {"tmp/held", "tmp/kept", "other/b", "tagged/no", "tagged/more"} <= left and not gone & left, left
    out, _ = rig.run("explain", rig.url("tmp/held"), "--now", "+8d")
    assert "rule purser-buckets-1: expires after 7d" in out and "on hold" in out, out
    set_policy(rig, "")
    rig.run("lifecycle", "apply", rig.root)
    rig.run("reclaims", "release", rig.url("tmp/held"))
    assert all(item["what"] == "kept" for item in swept(rig, "--now", "+9d").values()) and rig.stored("tmp/held").exists()
    print("ok  a directory's rules: prefix, tags; policies, holds, the fuse; without the rule it stays")


def uploads_end(rig):
    set_policy(rig, "{ prefix = 'part-', abort_incomplete = '3d' }")
    rig.run("lifecycle", "apply", rig.root)
    (rig.dir / "lifecycle-policies" / "60-buckets.lua").write_text("return { api = 1, name = 'none' }")
    process = rig.start("put", "-q", "-", rig.url("part-a"), stdin=subprocess.PIPE)
    process.stdin.write(bytes(40 << 20))
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not rig.uploads_left():
        assert process.poll() is None and time.monotonic() < deadline
    kill(process)
    process.stdin.close()
    swept(rig, "--now", "+2d")
    assert rig.uploads_left()
    swept(rig, "--dry-run", "--now", "+4d")
    assert rig.uploads_left(), "a dry run aborted"
    swept(rig, "--now", "+4d")
    assert not rig.uploads_left()
    print("ok  a directory's uploads are aborted by its rule")


def unsupported(rig):
    set_policy(rig, "{ prefix = 'tmp/', expire = '7d' }")
    for verb in ("show", "diff", "apply"):
        _, err = rig.run("lifecycle", verb, rig.root, expect=2)
        assert "lifecycle" in err, err
    print("ok  a store without lifecycle rules says so")


def main():
    with Rig(sys.argv[1]) as rig:
        if rig.kind == "versitygw":
            unsupported(rig)
            return
        nothing_yet(rig)
        apply_beside_others(rig)
        change_and_remove(rig)
        refused(rig)
        if rig.kind == "file":
            looked_after(rig)
            uploads_end(rig)


main()
