#!/usr/bin/env bash
# The admin socket: see agent_admin.py.
exec python3 "$(dirname "$0")/agent_admin.py" file
