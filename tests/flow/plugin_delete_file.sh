#!/usr/bin/env bash
# Delete by policy and reclaim markers: see plugin_delete.py.
exec python3 "$(dirname "$0")/plugin_delete.py" file
