#!/usr/bin/env bash
# Encryption at the store, against MinIO with TLS: see encryption.py.
exec python3 "$(dirname "$0")/encryption.py"
