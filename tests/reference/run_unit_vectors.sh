#!/usr/bin/env bash
# Runs the executable reference, which needs Python alone.
command -v python3 >/dev/null || { echo "skipped: there is no Python"; exit 77; }
exec python3 "$(dirname "${BASH_SOURCE[0]}")/unit_vectors.py"
