#!/usr/bin/env bash
# Directories file by file against minio: see tree.py.
exec python3 "$(dirname "$0")/tree.py" minio
