#!/usr/bin/env bash
# Copies and shared URLs against MinIO: see cp.py.
exec purser-test-python "$(dirname "$0")/cp.py" minio
