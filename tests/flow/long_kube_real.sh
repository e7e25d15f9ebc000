#!/usr/bin/env bash
# The workflow watcher against a real kube-apiserver and etcd: see kube_real.py.
exec python3 "$(dirname "$0")/kube_real.py"
