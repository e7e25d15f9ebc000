#!/usr/bin/env bash
# Lists that are asked for in parallel: see list.py.
exec python3 "$(dirname "$0")/list.py"
