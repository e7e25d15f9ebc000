#!/usr/bin/env bash
# A create-only PUT whose answer is lost: see create_only.py.
exec python3 "$(dirname "$0")/create_only.py"
