#!/usr/bin/env bash
# Kills at random instants against MinIO: see resume.py.
exec purser-test-python "$(dirname "$0")/resume.py" minio
