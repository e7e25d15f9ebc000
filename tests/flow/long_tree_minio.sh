#!/usr/bin/env bash
# Directories file by file against minio: see tree.py.
exec purser-test-python "$(dirname "$0")/tree.py" minio
