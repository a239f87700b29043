#!/usr/bin/env bash
# Fine-tuning: Python's forward pass against the program's, a run that is killed and goes on, and the parts by themselves.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! /usr/bin/python3 -c 'import torch, numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no PyTorch (experiments/setup.sh finetune installs it)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
timeout 300 /usr/bin/python3 "$here/finetune_selftest.py" "$1/trefoil" "$work"
