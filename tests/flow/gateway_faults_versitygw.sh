#!/usr/bin/env bash
# Faults of a store under the gateway: see gateway_faults.py.
exec python3 "$(dirname "$0")/gateway_faults.py" versitygw
