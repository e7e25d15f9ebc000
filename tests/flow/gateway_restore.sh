#!/usr/bin/env bash
# Archived objects through the gateway: see gateway_restore.py.
exec purser-test-python "$(dirname "$0")/gateway_restore.py"
