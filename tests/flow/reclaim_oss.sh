#!/usr/bin/env bash
# Reclaims against the double of OSS: see reclaim.py.
exec purser-test-python "$(dirname "$0")/reclaim.py" oss
