#!/usr/bin/env bash
# Lifecycle rules of oss: see lifecycle.py.
exec purser-test-python "$(dirname "$0")/lifecycle.py" oss
