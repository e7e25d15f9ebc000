#!/usr/bin/env bash
# Directories as archives against minio: see archive.py.
exec purser-test-python "$(dirname "$0")/archive.py" minio
