#!/usr/bin/env bash
# Tokenizers give the ids of the Rust library that Hugging Face's own use: 10,000 texts of the data sets, all characters,
# and XLM-RoBERTa's normalisation by SentencePiece's own table.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
packages=$root/.cache/oracle/node_modules data=$root/../shared/data
if [ ! -d "$packages" ] || ! command -v node >/dev/null; then
    echo "skipped: the tokenizers library is not there (experiments/setup.sh oracle)"
    exit 77
fi
[ -d "$data" ] || { echo "skipped: ../shared/data is not there"; exit 77; }
# shellcheck source=tests/support/checks.sh
source "$root/tests/support/checks.sh"
directories=()
for directory in "$root"/.cache/{minilm,stories15m,tokenizers/*} "$root"/../shared/models/*; do
    [ ! -f "$directory/tokenizer.json" ] || directories+=("$directory")
done
PYTHONIOENCODING=utf-8 python3 "$root/tests/experiments/tokenizer_oracle.py" "$1/trefoil" "$work" "$packages" "$data" \
    "${ORACLE_TEXTS:-10000}" "${directories[@]}"
