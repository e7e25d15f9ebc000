#!/usr/bin/env bash
# The same answers with an agent and without: see agent_same.py.
exec python3 "$(dirname "$0")/agent_same.py" versitygw
