#!/usr/bin/env bash
# Constants that were fitted or searched for are what their scripts make of them again. Needs no package of Python's.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$(command -v /usr/bin/python3 || command -v python3) || { echo "skipped: no Python (apt-get install python3)"; exit 77; }
"$python" "$top/runtime/constants/exp2.py" "$top/runtime/kernels/exp2.h" check
"$python" "$top/ops/constants/poly4.py" "$top/ops/gelu.c" check
"$python" "$top/ops/constants/poly4.py" "$top/experiments/finetune/approximations.py" check
# and the checks can fail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sed 's/2033403/2033404/' "$top/runtime/kernels/exp2.h" >"$scratch/exp2.h"
if "$python" "$top/runtime/constants/exp2.py" "$scratch/exp2.h" check 2>/dev/null; then exit 1; fi
sed 's/0.5658561 /0.5658661 /' "$top/ops/gelu.c" >"$scratch/gelu.c"
if "$python" "$top/ops/constants/poly4.py" "$scratch/gelu.c" check 2>/dev/null; then exit 1; fi
