#!/usr/bin/env bash
# Reclaims in a versioned bucket of MinIO: see versioned.py.
exec purser-test-python "$(dirname "$0")/versioned.py" minio
