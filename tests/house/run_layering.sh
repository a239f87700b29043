#!/usr/bin/env bash
# The rooms are used in their order, from above only, and no two files call each other: see layering.py.
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if grep -q '^TREFOIL_SANITIZE:BOOL=ON' "$1/CMakeCache.txt"; then
    echo "skipped: sanitizers add calls of their own to the objects"
    exit 77
fi
command -v python3 >/dev/null || { echo "skipped: python3 is not installed (Debian: python3)"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 python3 "$source/tests/house/layering.py" "$source" "$1"
