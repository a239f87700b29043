#!/usr/bin/env bash
# The perplexity of a model that stories.py adapted, in the open and in private, after each substitution, and how each
# continues one prompt in private; as Markdown.
#
#   experiments/finetune/stories_table.sh MODEL OUT [TEXTS]    MODEL: the original; OUT: what stories.py wrote
set -euo pipefail
trefoil=${TREFOIL:-$(dirname "${BASH_SOURCE[0]}")/../../build/trefoil}
[ $# -ge 2 ] || { echo "usage: $0 MODEL OUT [TEXTS]" >&2 && exit 2; }
model=$1 out=$2 texts=${3:-16}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# number KEY: of the JSON object on standard input
number() { /usr/bin/python3 -c "import json, sys; print(round(json.load(sys.stdin)['$1'], 3))"; }

echo "| model | perplexity, plain | private | bytes a token | continues: Once upon a time |"
echo "|---|---|---|---|---|"
for directory in "$model" "$out"/stages/*; do
    name=$(basename "$directory")
    [ "$directory" != "$model" ] || name=original
    said=$("$trefoil" eval --local --check --metric perplexity --model "$directory" --data "$out/validation.jsonl" \
        --limit "$texts" --out "$work/$name" --json 2>/dev/null)
    story=$("$trefoil" generate --local --model "$directory" --prompt "Once upon a time" --max-tokens 32 --json 2>/dev/null)
    echo "| $name | $(number plain_value <<<"$said") | $(number value <<<"$said") |" \
        "$(/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["bytes"]["per_token"])' <<<"$story") |" \
        "$(/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["text"].replace("\n", " "))' <<<"$story") |"
done
