#!/usr/bin/env bash
# Every command once against minio: see tour.py.
exec python3 "$(dirname "$0")/tour.py" minio
