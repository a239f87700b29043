#!/usr/bin/env bash
# Directories in the layouts of well-known models give the right values, or are refused by file and key.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
/usr/bin/python3 -c 'import numpy' 2>/dev/null || {
    echo "skipped: /usr/bin/python3 has no numpy (experiments/setup.sh reference)"
    exit 77
}
# shellcheck source=tests/support/checks.sh
source "$here/../support/checks.sh"
/usr/bin/python3 "$here/ordinary_directories.py" "$1/trefoil" "$work" "$here/../models/family_oracle.py"
