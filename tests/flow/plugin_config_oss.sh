#!/usr/bin/env bash
# Endpoint, credentials and policies of the artifact's configuration alone: see plugin_config.py.
exec purser-test-python "$(dirname "$0")/plugin_config.py" oss
