#!/usr/bin/env bash
# Reclaims against versitygw: see reclaim.py.
exec python3 "$(dirname "$0")/reclaim.py" versitygw
