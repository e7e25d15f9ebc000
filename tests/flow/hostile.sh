#!/usr/bin/env bash
# Archives made to do harm: see hostile.py.
exec python3 "$(dirname "$0")/hostile.py"
