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

# The whole experiment, on the model and the data that this left behind.
mkdir -p "$work/shared/models" "$work/shared/data"
ln -s "$work/base" "$work/shared/models/bert-tiny-sst2"
ln -s "$work/data" "$work/shared/data/sst2"
quick() {
    TREFOIL_SHARED=$work/shared TREFOIL=$1/trefoil timeout 300 "$here/../../experiments/accuracy.sh" --quick \
        --models "$work/models" --work "$work/results" >"$work/table" 2>"$work/err" ||
        { cat "$work/err"; exit 1; }
}
quick "$1"
before=$(cat "$work"/results/quick/bert-tiny-sst2/private.jsonl)
grep -Eq '^\| bert-tiny \| SST-2, accuracy \| 40 \|( [0-9.]+ \|){5} [-+][0-9.]+ \| [0-9.]+ \| [-+][0-9.]+ \| (100|9[0-9])\.[0-9]+ \|' \
    "$work/table" || { echo "FAILED: no such row in"; cat "$work/table"; exit 1; }
[ "$(grep -c . "$work/results/quick/accuracy.md")" -gt 10 ] && [ -s "$work/results/quick/accuracy.json" ]
quick "$1" # once more: nothing is computed again
[ "$before" = "$(cat "$work"/results/quick/bert-tiny-sst2/private.jsonl)" ]
