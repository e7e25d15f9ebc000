#!/usr/bin/env bash
# Encryption at the store, against MinIO with TLS: see encryption.py.
exec purser-test-python "$(dirname "$0")/encryption.py"
