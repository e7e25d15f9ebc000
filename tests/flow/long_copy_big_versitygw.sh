#!/usr/bin/env bash
# A copy by the store of an object over 5 GiB, on versitygw: see copy_big.py.
exec purser-test-python "$(dirname "$0")/copy_big.py" versitygw
