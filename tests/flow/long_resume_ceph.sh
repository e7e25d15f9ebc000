#!/usr/bin/env bash
# Kills at random instants against Ceph RGW: see resume.py. Small files: the OSD keeps all in memory.
PURSER_TEST_LONG=0 exec purser-test-python "$(dirname "$0")/resume.py" ceph
