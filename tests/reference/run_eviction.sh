#!/usr/bin/env bash
# Runs the executable reference of how rows of a cache are chosen and kept.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/eviction.py"
