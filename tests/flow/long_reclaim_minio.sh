#!/usr/bin/env bash
# Reclaims against minio: see reclaim.py.
exec python3 "$(dirname "$0")/reclaim.py" minio
