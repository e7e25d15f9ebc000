#!/usr/bin/env bash
# Mistakes and full disks against MinIO: see bad_input.py.
exec purser-test-python "$(dirname "$0")/bad_input.py" minio
