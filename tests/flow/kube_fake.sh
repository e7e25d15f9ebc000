#!/usr/bin/env bash
# The workflow watcher and the lease against a scripted API server: see kube.py.
exec python3 "$(dirname "$0")/kube.py"
