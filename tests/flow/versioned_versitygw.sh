#!/usr/bin/env bash
# Reclaims in a versioned bucket of versitygw: see versioned.py.
exec purser-test-python "$(dirname "$0")/versioned.py" versitygw
