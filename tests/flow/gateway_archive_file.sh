#!/usr/bin/env bash
# Archives through the gateway against file: see gateway_archive.py.
exec python3 "$(dirname "$0")/gateway_archive.py" file
