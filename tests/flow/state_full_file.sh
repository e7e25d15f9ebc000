#!/usr/bin/env bash
# A state on a full disk: see state_full.py.
exec python3 "$(dirname "$0")/state_full.py" file
