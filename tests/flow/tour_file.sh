#!/usr/bin/env bash
# Every command once against file: see tour.py.
exec python3 "$(dirname "$0")/tour.py" file
