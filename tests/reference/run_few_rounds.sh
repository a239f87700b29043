#!/usr/bin/env bash
# Runs the executable references of steps.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/few_rounds.py"
