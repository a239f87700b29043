#!/usr/bin/env bash
# Runs the executable reference of how tokens find buckets.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/buckets.py"
