#!/usr/bin/env bash
# A copy by the store of an object over 5 GiB, on the double of OSS: see copy_big.py.
exec purser-test-python "$(dirname "$0")/copy_big.py" oss
