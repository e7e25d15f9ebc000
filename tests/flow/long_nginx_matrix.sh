#!/usr/bin/env bash
# Ranges and conditions beside nginx: see nginx_matrix.py.
exec python3 "$(dirname "$0")/nginx_matrix.py"
