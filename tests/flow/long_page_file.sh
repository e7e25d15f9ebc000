#!/usr/bin/env bash
# The page in a browser: see page.py.
exec python3 "$(dirname "$0")/page.py" file
