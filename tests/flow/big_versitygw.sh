#!/usr/bin/env bash
# A big object against versitygw: see big.py.
exec python3 "$(dirname "$0")/big.py" versitygw
