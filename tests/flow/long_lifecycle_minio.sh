#!/usr/bin/env bash
# Lifecycle rules of MinIO: see lifecycle.py.
exec purser-test-python "$(dirname "$0")/lifecycle.py" minio
