#!/usr/bin/env bash
# Reclaims against file: see reclaim.py.
exec python3 "$(dirname "$0")/reclaim.py" file
