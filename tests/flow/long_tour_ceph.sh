#!/usr/bin/env bash
# Every command once against Ceph RGW: see tour.py.
exec purser-test-python "$(dirname "$0")/tour.py" ceph
