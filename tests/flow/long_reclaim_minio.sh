#!/usr/bin/env bash
# Reclaims against minio: see reclaim.py.
exec purser-test-python "$(dirname "$0")/reclaim.py" minio
