#!/usr/bin/env bash
# A big object against the double of OSS: see big.py.
exec purser-test-python "$(dirname "$0")/big.py" oss
