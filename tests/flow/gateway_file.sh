#!/usr/bin/env bash
# The gateway against file: see gateway.py.
exec python3 "$(dirname "$0")/gateway.py" file
