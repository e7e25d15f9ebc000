#!/usr/bin/env bash
# SIGKILL at random instants of 1,000 sweeps: see reclaim_kill.py.
exec python3 "$(dirname "$0")/reclaim_kill.py" file 1000
