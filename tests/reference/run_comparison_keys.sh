#!/usr/bin/env bash
# Runs the executable reference of functions in one exchange.
command -v python3 >/dev/null || { echo "skipped: python3 is not installed (Debian: python3)"; exit 77; }
exec python3 "$(dirname "${BASH_SOURCE[0]}")/comparison_keys.py"
