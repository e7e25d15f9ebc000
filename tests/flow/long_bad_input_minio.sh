#!/usr/bin/env bash
# Mistakes and full disks against MinIO: see bad_input.py.
exec python3 "$(dirname "$0")/bad_input.py" minio
