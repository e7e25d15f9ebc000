#!/usr/bin/env bash
# oss:// against the double of OSS: see oss.py.
exec purser-test-python "$(dirname "$0")/oss.py"
