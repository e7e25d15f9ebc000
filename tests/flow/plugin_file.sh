#!/usr/bin/env bash
# The artifact plugin, with Argo's client, before a file store: see plugin.py.
exec python3 "$(dirname "$0")/plugin.py" file
