#!/usr/bin/env python3
"""Archived objects: 409 with where they are, restored where a policy says so. Against the OSS double.

Usage: gateway_restore.py (purser-test-python)"""
from agent_rig import Agent
from rig import Rig

HOOK = """-- test
local function download(request, now)
  if request.storage_class == 'Archive' and purser.prefix('cold/', request.key) then
    return { action = 'restore', reason = 'asked for' }
  end
end
return { api = 1, name = 'thaw', download = download }
"""


def main():
    with Rig("oss") as rig:
        source = rig.dir / "source"
        source.write_bytes(b"frozen bytes")
        for key in ("cold/x", "other/x"):
            rig.run("put", "-q", "--storage-class", "Archive", source, rig.url(key))
        with Agent(rig) as agent:
            for headers in ({}, {"Range": "bytes=0-3"}):
                status, headers, body = agent.get("/a/main/cold/x", headers)
                assert status == 409 and b"is archived in Archive: it must be restored first" in body, (status, body)
                assert headers["X-Purser-Restore"] == "none" and headers["Retry-After"] is None
            assert agent.get("/a/main/cold/x", method="HEAD")[0] == 200
            status, _, body = agent.get("/a/main/cold/?archive=tar")
            assert status == 409 and b"archived" in body, (status, body)
            status, _, body = agent.get("/a/main/cold/x?members")
            assert status == 409, (status, body)
        folder = rig.dir / "policies"
        folder.mkdir()
        (folder / "60-thaw.lua").write_text(HOOK)
        with Agent(rig, flags=("--policy-path", str(folder))) as agent:
            status, headers, body = agent.get("/a/main/cold/x")
            assert status == 409 and b"its restore was asked for" in body, (status, body)
            assert headers["X-Purser-Restore"] == "ongoing" and headers["Retry-After"], headers
            status, headers, body = agent.get("/a/main/cold/x")
            assert status == 409 and b"its restore is under way" in body and headers["X-Purser-Restore"] == "ongoing", body
            assert agent.get("/a/main/cold/x")[2] == b"frozen bytes", "the double restores by its second HEAD"
            assert agent.get("/a/main/other/x")[0] == 409, "no policy says that this one is to be restored"
    print("archived: 409 with the restore's state; a policy restores, and what is restored is served")


main()
