#!/usr/bin/env bash
# Copies and shared URLs against the double of OSS: see cp.py.
exec purser-test-python "$(dirname "$0")/cp.py" oss
