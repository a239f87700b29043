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
export TREFOIL=$1/trefoil
experiment() {
    TREFOIL_SHARED=$work/shared timeout 300 "$here/../../experiments/finetune/adapt.sh" --quick --out "$work/models" >"$work/err" 2>&1 &&
        "$TREFOIL" sweep "$work/figure2.toml" --out "$work/results" >"$work/err" 2>&1 || { cat "$work/err"; exit 1; }
}
sed "s|\.cache/finetune|$work/models|" "$here/../../experiments/sweep/specs/figure2.toml" >"$work/figure2.toml"
experiment
"$TREFOIL" sweep "$work/results" --table json >"$work/table"
/usr/bin/python3 - "$work/table" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 10 and not any("error" in row for row in rows), rows
for row in rows:
    if row["measure"] == "agreement":
        assert row["examples"] == 40 and 0 <= row["value"] <= 1 and row["agreement"] >= 0.9 and row["max_abs_error"] < 0.1, row
    else:
        assert 0 < row["range_free"] < 1 and 0 < row["range_bounded"] <= 1, row
PYTHON
sums() { (cd "$work/results/results" && sha256sum -- *.json); }
before=$(sums)
experiment # once more: nothing is trained or computed again
[ "$before" = "$(sums)" ]
