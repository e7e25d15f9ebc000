#!/usr/bin/env bash
# Mistakes and full disks against file: see bad_input.py.
exec python3 "$(dirname "$0")/bad_input.py" file
