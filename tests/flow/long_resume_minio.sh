#!/usr/bin/env bash
# Kills at random instants against MinIO: see resume.py.
exec python3 "$(dirname "$0")/resume.py" minio
