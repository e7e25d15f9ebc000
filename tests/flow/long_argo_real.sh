#!/usr/bin/env bash
# Argo's own controller and argoexec with the plugin: see argo_real.py.
exec python3 "$(dirname "$0")/argo_real.py"
