#!/usr/bin/env bash
# Delete by policy and reclaim markers: see plugin_delete.py.
exec purser-test-python "$(dirname "$0")/plugin_delete.py" oss
