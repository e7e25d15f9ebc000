#!/usr/bin/env python3
"""All that the plugin needs is in the configuration: endpoint, region, credentials, policies. Usage: plugin_config.py versitygw|oss

Run by purser-test-python. The container has no variable of the SDKs'."""
import subprocess
import sys
import time

from plugin import Plugin
from rig import MIB, Rig, sha256

KEYS = {"TEAM_ACCESS_KEY_ID": "testkey123", "TEAM_SECRET": "testsecret123", "TEAM_WRONG": "wrong"}
POLICY = """
local function reclaim(artifact)
  return purser.glob('**keep/**', artifact.key) and { action = 'keep', reason = 'evidence of the team' } or nil
end

local function retry()
  return { give_up = true, reason = 'the team does not wait' }
end

local function upload()
  return { threshold = '6MiB', reason = 'the team has small parts' }
end

return { api = 1, name = 'team', reclaim = reclaim, upload = upload, retry = retry }
"""


def write(rig, name, *lines):
    path = rig.dir / f"{name}.yaml"
    region = "cn-hangzhou" if rig.kind == "oss" else "us-east-1"
    path.write_text("\n".join([f"url: {rig.root}/prefix", f"endpoint: http://127.0.0.1:{rig.port}", f"region: {region}",
                               *lines, ""]))
    return path


def by_variables(rig, plugin):
    config = write(rig, "variables", "credentials:", "  access_key_id_env: TEAM_ACCESS_KEY_ID",
                   "  secret_access_key_env: TEAM_SECRET", "part_size: 8MiB")
    source = rig.source("source", 20 * MIB)
    plugin.run("save", source, "wf/main", config=config)
    assert sha256(rig.stored("prefix/wf/main")) == sha256(source)
    plugin.run("load", "wf/main", rig.dir / "loaded", config=config)
    plugin.run("stream", "wf/main", rig.dir / "streamed", config=config)
    assert sha256(rig.dir / "loaded") == sha256(rig.dir / "streamed") == sha256(source)
    assert plugin.run("list", "wf", config=config) == "wf/main\n"
    assert plugin.run("is-directory", "wf", config=config) == "true\n"
    plugin.run("delete", "wf", config=config)
    assert "not found" in plugin.run("load", "wf/main", rig.dir / "again", config=config, fails=True)


def by_file(rig, plugin):
    """A profile of a file; a program that the file names is not run."""
    small = rig.source("small", 1000)
    files, ran = rig.dir / "credentials", rig.dir / "ran"
    if rig.kind == "oss":
        files.write_text("[team]\ntype = access_key\naccess_key_id = testkey123\naccess_key_secret = testsecret123\n")
    else:
        files.write_text("[team]\naws_access_key_id = testkey123\naws_secret_access_key = testsecret123\n"
                         f"[program]\ncredential_process = touch {ran}\n")
    lines = ["credentials:", f"  file: {files}", "  profile: team"]
    plugin.run("save", small, "by/file", config=write(rig, "file", *lines))
    assert sha256(rig.stored("prefix/by/file")) == sha256(small)
    if rig.kind != "oss":
        said = plugin.run("save", small, "x", config=write(rig, "program", *lines[:2], "  profile: program"), fails=True)
        assert "no program is run" in said and not ran.exists(), said


def own_policies(rig, plugin):
    folder = rig.dir / "team-policies"
    folder.mkdir()
    (folder / "50-team.lua").write_text(POLICY)
    config = write(rig, "policies", "credentials:", "  access_key_id_env: TEAM_ACCESS_KEY_ID",
                   "  secret_access_key_env: TEAM_SECRET", f"policies: [{folder}]")
    small = rig.source("small", 1000)
    for key in ("keep/x", "go/x"):
        plugin.run("save", small, key, config=config)
        plugin.run("delete", key, config=config)
    assert sha256(rig.stored("prefix/keep/x")) == sha256(small)
    assert "not found" in plugin.run("load", "go/x", rig.dir / "x", config=config, fails=True)
    assert "evidence of the team" in plugin.text()
    plugin.run("delete", "keep/x", config=rig.dir / "variables.yaml")  # another configuration, other policies
    assert "not found" in plugin.run("load", "keep/x", rig.dir / "x", config=config, fails=True)


def own_retries(rig, plugin):
    """The server is away: the team's policy gives up at once, that of the process would try for a while."""
    small = rig.source("small", 1000)
    rig.stop_server()
    started = time.monotonic()
    plugin.run("save", small, "k", config=rig.dir / "policies.yaml", fails=True)
    took = time.monotonic() - started
    with plugin.client("save", small, "k", config=rig.dir / "variables.yaml") as client:
        try:
            client.communicate(timeout=took + 1)
            raise AssertionError("the process's own policy gave up as soon")
        except subprocess.TimeoutExpired:
            client.kill()
    rig.start_server()


def refusals(rig, plugin):
    small = rig.source("small", 1000)
    both = ["credentials:", "  access_key_id_env: TEAM_ACCESS_KEY_ID", "  secret_access_key_env: TEAM_SECRET"]
    for name, lines, words in (
            ("one", both[:2], "go together"),
            ("unset", [both[0], both[1], "  secret_access_key_env: NOT_THERE"], "NOT_THERE is not set"),
            ("any", [both[0], "  access_key_id_env: TEAM_SECRET", both[2]], "ends in ACCESS_KEY_ID"),
            ("token", [*both, "  session_token_env: TEAM_SECRET"], "ends in ACCESS_KEY_ID"),
            ("unknown", [both[0], "  acess_key: x"], "configuration:5: key `credentials.acess_key`: unknown"),
            ("scalar", ["credentials: x"], "configuration:4: key `credentials`"),
            ("absent", ["policies: /no/such/dir"], "policies: /no/such/dir: No such file"),
            ("relative", ["policies: dir"], "absolute"),
            ("wrong", [both[0], both[1], "  secret_access_key_env: TEAM_WRONG"], "SignatureDoesNotMatch")):
        said = plugin.run("save", small, "k", config=write(rig, name, *lines), fails=True)
        assert words in said, (name, said)
        assert "testsecret123" not in said
    folder = rig.dir / "broken-policies"
    folder.mkdir()
    (folder / "50-broken.lua").write_text("return {")
    said = plugin.run("save", small, "k", config=write(rig, "broken", f"policies: {folder}"), fails=True)
    assert "50-broken.lua:1" in said, said


def main(kind):
    with Rig(kind) as rig:
        for name in list(rig.env):
            if name.startswith(("AWS_ACCESS", "AWS_SECRET", "AWS_ENDPOINT", "AWS_REGION", "OSS_")):
                del rig.env[name]
        rig.env.update(KEYS)
        with Plugin(rig) as plugin:
            for step in (by_variables, by_file, own_policies, refusals, own_retries):
                step(rig, plugin)
                print(f"ok  {kind}: {step.__name__}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
