#!/usr/bin/env bash
# Mistakes and full disks against Ceph RGW: see bad_input.py.
exec purser-test-python "$(dirname "$0")/bad_input.py" ceph
