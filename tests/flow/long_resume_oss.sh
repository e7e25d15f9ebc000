#!/usr/bin/env bash
# Kills at random instants against the double of OSS: see resume.py.
exec purser-test-python "$(dirname "$0")/resume.py" oss
