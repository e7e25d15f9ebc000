#!/usr/bin/env bash
# Directories as archives against file: see archive.py.
exec python3 "$(dirname "$0")/archive.py" file
