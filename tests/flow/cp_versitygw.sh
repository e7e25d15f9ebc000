#!/usr/bin/env bash
# Copies and shared URLs: see cp.py.
exec python3 "$(dirname "$0")/cp.py" versitygw
