#!/usr/bin/env bash
# Every command once against minio: see tour.py.
exec purser-test-python "$(dirname "$0")/tour.py" minio
