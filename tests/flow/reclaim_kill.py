#!/usr/bin/env python3
"""SIGKILL at random instants of random schedules: nothing outside of the plan is deleted, nothing in it is forgotten."""
import os
import random
import signal
import subprocess
import sys
import time

from rig import PURSER, Rig

POINTS = ["workflow.reported", "plan.asked", "plan.written", "sweep.taken", "sweep.verified", "sweep.marked",
          "sweep.sending", "sweep.deleted", "sweep.asked", "sweep.settled"]
STRATEGIES = ["Never", "OnWorkflowCompletion", "OnWorkflowDeletion"]
GOES = {"completed": {"OnWorkflowCompletion"}, "deleted": {"OnWorkflowCompletion", "OnWorkflowDeletion"}}


def run_killed(rig, rng, *command):
    """Run with a fault point, or with a kill at a random time; either may come too late."""
    env = dict(rig.env)
    by_point = rng.random() < 0.7
    if by_point:
        env["PURSER_FAULT_POINT"] = f"{rng.choice(POINTS)}:{rng.randint(1, 2)}"
    process = subprocess.Popen([PURSER, *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not by_point:
        time.sleep(rng.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def schedule(rig, rng, n, sources):
    """One workflow with some artifacts, one event, kills on the way; in the end the plan is done and only the plan."""
    name, strategies = f"argo/w{n}", [rng.choice(STRATEGIES) for _ in range(rng.randint(1, 3))]
    for i, strategy in enumerate(strategies):
        rig.run("put", "-q", sources, rig.url(f"w{n}/{i}"), "--workflow", name, "--gc", strategy)
    event = rng.choice(list(GOES))
    command = ["workflow", name, event] + (["--status", "Succeeded"] if event == "completed" else [])
    plan = {i for i, strategy in enumerate(strategies) if strategy in GOES[event]}
    kills = sum(run_killed(rig, rng, *command) for _ in range(rng.randint(0, 2)))
    for _ in range(rng.randint(0, 3)):
        kills += run_killed(rig, rng, "reclaims", "run")
        stays = {i for i in range(len(strategies)) if i not in plan}
        assert all(rig.stored(f"w{n}/{i}").exists() for i in stays), f"schedule {n}: deleted what stays"
    rig.run(*command)
    rig.run("reclaims", "run")
    there = {i for i in range(len(strategies)) if rig.stored(f"w{n}/{i}").exists()}
    assert there == set(range(len(strategies))) - plan, f"schedule {n}: {there} are there; {plan} were to go"
    return kills


def main():
    count = int(os.environ.get("PURSER_SCHEDULES", sys.argv[2]))
    seed = int(os.environ.get("PURSER_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    with Rig(sys.argv[1]) as rig:
        # In memory where it can be: a kill loses no page of the kernel's, and a flush is what takes the time.
        if os.access("/dev/shm", os.W_OK):
            rig.env["PURSER_STATE_DIR"] = f"/dev/shm/purser-kill-{os.getpid()}"
        source = rig.source("small.bin", 100)
        try:
            kills = sum(schedule(rig, rng, n, source) for n in range(count))
            out, _ = rig.run("reclaims", "ls", "--json")
            assert out == "", out
        finally:
            subprocess.run(["rm", "-rf", rig.env["PURSER_STATE_DIR"]], check=False)
        print(f"ok  {count} schedules, {kills} kills: nothing outside of the plan deleted, nothing in it forgotten")


main()
