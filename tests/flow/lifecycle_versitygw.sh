#!/usr/bin/env bash
# Lifecycle rules of versitygw: see lifecycle.py.
exec python3 "$(dirname "$0")/lifecycle.py" versitygw
