#!/usr/bin/env bash
# Workflows of a scripted API server, watched, recorded, planned and swept: see watch.py.
exec python3 "$(dirname "$0")/watch.py"
