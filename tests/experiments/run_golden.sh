#!/usr/bin/env bash
# Against reference data that is not part of the project: token ids of Hugging Face's own tokenizer for MiniLM, and the
# known accuracy of a classifier on SST-2. Skipped where model or data are not there.
set -uo pipefail
trefoil=$1/trefoil
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shared=${TREFOIL_SHARED:-$source/../shared}
minilm=$source/.cache/minilm
checked=0 failures=0

if [ -d "$minilm" ] && [ -f "$shared/data/tokenizer_golden/minilm.jsonl" ]; then
    checked=$((checked + 1))
    diff <(sed 's/.*"ids": *//; s/}$//; s/,/, /g' "$shared/data/tokenizer_golden/minilm.jsonl") \
        <("$trefoil" tokenize --model "$minilm" --input "$shared/data/tokenizer_golden/minilm.jsonl") ||
        { echo "FAILED: token ids differ from the reference"; failures=1; }
fi
if [ -d "$shared/models/bert-tiny-sst2" ] && [ -f "$shared/data/sst2/dev.tsv" ]; then
    checked=$((checked + 1))
    output=$("$trefoil" plain --model "$shared/models/bert-tiny-sst2" --input "$shared/data/sst2/dev.tsv") &&
        grep -q "708 of 872 labelled right (81.2%)" <<<"$output" ||
        { echo "FAILED: the accuracy on SST-2 is not 81.2%: $(grep labelled <<<"$output")"; failures=1; }
fi
[ $checked -gt 0 ] || { echo "skipped: neither MiniLM with the reference ids nor SST-2 with its model is there (experiments/setup.sh model fetches MiniLM)"; exit 77; }
exit $failures
