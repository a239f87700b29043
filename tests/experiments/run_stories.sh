#!/usr/bin/env bash
# Adapting a model that tells stories: Python's forward pass against the program's, draws, starts, and a whole run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$here/../../.cache/stories15m
[ -f "$model/model.safetensors" ] || { echo "skipped: stories15M is not there (experiments/setup.sh stories)"; exit 77; }
if ! /usr/bin/python3 -c 'import torch, numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no PyTorch (experiments/setup.sh finetune installs it)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
timeout 500 /usr/bin/python3 "$here/stories_selftest.py" "$1/trefoil" "$work" "$model"
