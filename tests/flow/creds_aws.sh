#!/usr/bin/env bash
# Every chain of credentials in a whole upload: see creds.py.
exec purser-test-python "$(dirname "$0")/creds.py" aws
