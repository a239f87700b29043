#!/usr/bin/env bash
# Runs the executable reference of how the nucleus of a row is found.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/nucleus.py"
