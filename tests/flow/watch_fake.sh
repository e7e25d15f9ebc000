#!/usr/bin/env bash
# Workflows of a scripted API server, watched, recorded, planned and swept: see watch.py.
exec purser-test-python "$(dirname "$0")/watch.py"
