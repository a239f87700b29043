#!/usr/bin/env bash
# Runs the executable reference of draws behind proposals.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/drafts.py"
