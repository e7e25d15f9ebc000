#!/usr/bin/env bash
# Archives through the gateway against versitygw: see gateway_archive.py.
exec python3 "$(dirname "$0")/gateway_archive.py" versitygw
