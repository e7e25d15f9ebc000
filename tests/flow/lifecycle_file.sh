#!/usr/bin/env bash
# Lifecycle rules of file: see lifecycle.py.
exec python3 "$(dirname "$0")/lifecycle.py" file
