#!/usr/bin/env python3
"""Reclaims in a versioned bucket: a delete adds a marker and says so, the bytes stay; old versions go by a rule."""
import json
import sys

from rig import Rig


def versions(rig, key):
    answer = rig.s3_client().list_object_versions(Bucket="bkt", Prefix=key)
    return tuple(sum(row["Key"] == key for row in answer.get(kind, [])) for kind in ("Versions", "DeleteMarkers"))


def put(rig, key, content, *flags):
    source = rig.dir / "source"
    source.write_text(content)
    rig.run("put", "-q", source, rig.url(key), *flags)


def deleted(rig):
    put(rig, "v/a", "one", "--workflow", "argo/v", "--gc", "OnWorkflowCompletion")
    put(rig, "v/again", "one", "--workflow", "argo/v", "--gc", "OnWorkflowCompletion")
    put(rig, "v/again", "two")
    put(rig, "v/gone", "one", "--workflow", "argo/v", "--gc", "OnWorkflowCompletion")
    rig.s3_client().delete_object(Bucket="bkt", Key="v/gone")
    rig.run("workflow", "argo/v", "completed", "--status", "Succeeded")
    out, _ = rig.run("reclaims", "run", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    items = {line["url"].removeprefix(rig.root + "/"): line for line in lines if line["type"] == "swept"}
    result = lines[-1]
    assert items["v/a"]["what"] == "deleted" and items["v/a"]["delete_marker"], items
    assert items["v/again"]["what"] == "kept" and "uploaded again" in items["v/again"]["reason"], items
    assert items["v/gone"]["what"] == "gone", items
    assert result["deleted"] == 1 and result["delete_markers"] == 1, result
    assert versions(rig, "v/a") == (1, 1), "the version stays behind a marker"
    assert versions(rig, "v/again") == (2, 0) and versions(rig, "v/gone") == (1, 1)
    rig.run("stat", rig.url("v/a"), expect=3)
    out, _ = rig.run("reclaims", "history")
    assert "a delete marker: the bytes stay" in out, out
    put(rig, "v/b", "one", "--workflow", "argo/w", "--gc", "OnWorkflowCompletion")
    rig.run("workflow", "argo/w", "completed", "--status", "Succeeded")
    _, err = rig.run("reclaims", "run")
    assert "versioned buckets" in err and "expire_noncurrent" in err, err
    print("ok  a delete in a versioned bucket adds a marker, and is told so")


def old_versions(rig):
    directory = rig.dir / "policies"
    directory.mkdir()
    (directory / "60-old.lua").write_text(
        "return { api = 1, name = 'old', lifecycle = { { prefix = 'v/', expire_noncurrent = '7d' } } }")
    rig.env["PURSER_POLICY_PATH"] = str(directory)
    rig.run("lifecycle", "apply", rig.root)
    rules = rig.s3_client().get_bucket_lifecycle_configuration(Bucket="bkt")["Rules"]
    assert [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules] == [7], rules
    print("ok  old versions expire by a rule of a policy")


def main():
    with Rig(sys.argv[1], versioning=True) as rig:
        rig.s3_client().put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
        deleted(rig)
        if rig.kind == "minio":
            old_versions(rig)


main()
