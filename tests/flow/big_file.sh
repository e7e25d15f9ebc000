#!/usr/bin/env bash
# A big object against file: see big.py.
exec python3 "$(dirname "$0")/big.py" file
