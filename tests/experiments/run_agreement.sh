#!/usr/bin/env bash
# Private results of real models on 208 real sentences are within 0.02 of floating point. So they carry the same label
# wherever the two top logits are more than 0.04 apart. Skipped where no model is there.
set -uo pipefail
trefoil=$1/trefoil
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shared=${TREFOIL_SHARED:-$source/../shared}
minilm=$source/.cache/minilm
sample=$source/experiments/data/banking77_sample.tsv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checked=0 failures=0

# agrees MODEL INPUT: the largest difference is a real one, and below the bound.
agrees() {
    local error
    checked=$((checked + 1))
    "$trefoil" infer --local --check --json --limit 208 --model "$1" --input "$2" >"$work/out" || failures=$((failures + 1))
    error=$(grep -o '"max_abs_error": [0-9.e-]*' "$work/out" | cut -d' ' -f2)
    echo "$1: largest difference ${error:-unknown} on $(grep -o '"index"' "$work/out" | wc -l) texts"
    awk -v error="$error" 'BEGIN { exit !(error > 0 && error < 0.02) }' || failures=$((failures + 1))
    [ "$(grep -o '"index"' "$work/out" | wc -l)" = 208 ] || failures=$((failures + 1))
}

if [ -d "$minilm" ]; then
    "$trefoil" fit-head --model "$minilm" --data "$sample" --out "$work/head" || exit 1
    agrees "$work/head" "$sample"
    agrees "$minilm" "$sample"
fi
if [ -d "$shared/models/bert-tiny-sst2" ] && [ -f "$shared/data/sst2/dev.tsv" ]; then
    agrees "$shared/models/bert-tiny-sst2" "$shared/data/sst2/dev.tsv"
fi
[ $checked -gt 0 ] || { echo "skipped: neither MiniLM nor the SST-2 model is there"; exit 77; }
[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
