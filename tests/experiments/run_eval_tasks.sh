#!/usr/bin/env bash
# eval of tags of words, of answers and of sets of labels, with several metrics at once, plain and private.
set -euo pipefail
# shellcheck source=tests/support/checks.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
python3 "$(dirname "${BASH_SOURCE[0]}")/eval_tasks.py" "$1/trefoil" "$work"
