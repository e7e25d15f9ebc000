#!/usr/bin/env bash
# Directories as archives against minio: see archive.py.
exec python3 "$(dirname "$0")/archive.py" minio
