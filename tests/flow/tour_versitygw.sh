#!/usr/bin/env bash
# Every command once against versitygw: see tour.py.
exec python3 "$(dirname "$0")/tour.py" versitygw
