#!/usr/bin/env bash
# The gateway against versitygw: see gateway.py.
exec python3 "$(dirname "$0")/gateway.py" versitygw
