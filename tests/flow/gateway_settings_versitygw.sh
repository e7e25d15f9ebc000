#!/usr/bin/env bash
# Settings of the gateway against versitygw: see gateway_settings.py.
exec python3 "$(dirname "$0")/gateway_settings.py" versitygw
