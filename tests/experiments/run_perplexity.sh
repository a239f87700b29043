#!/usr/bin/env bash
# trefoil eval of a decoder: perplexity in floating point and between three parties, against the log-probabilities that
# generate tells; going on after an interruption; and what is refused.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
model=$work/tiny
make_tiny_decoder "$model"
make_tiny_model "$work/reader"

# A text and its greedy continuation differ by the tokens that generate has found so likely.
"$trefoil" generate --plain --model "$model" --prompt "once upon a time" --max-tokens 6 --logprobs 1 --json >"$work/story" || complain generate
python3 - "$work" <<'PY' || complain "no story"
import json, sys
story = json.load(open(sys.argv[1] + "/story"))["results"][0]
with open(sys.argv[1] + "/texts.jsonl", "w") as file:
    for text in ["once upon a time", "once upon a time" + story["text"], "hi", "a cat. a dog."]:
        file.write(json.dumps({"text": text}) + "\n")
PY
evaluate() { "$trefoil" eval --model "$model" --data "$work/texts.jsonl" --json "$@"; }
evaluate --plain --out "$work/plain.jsonl" >"$work/plain" || complain "in floating point"
evaluate --local --check --out "$work/private.jsonl" >"$work/private" || complain "between three parties"
evaluate --local --check --batch 4 --out "$work/batch.jsonl" >"$work/batch" || complain "as a batch"
head -3 "$work/private.jsonl" >"$work/rest.jsonl"
evaluate --local --check --out "$work/rest.jsonl" >"$work/rest" || complain "the rest"
python3 - "$work" <<'PY' || failures=$((failures + 1))
import json, math, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}"))
rows = lambda name: [json.loads(line) for line in open(f"{sys.argv[1]}/{name}.jsonl")][1:]
plain = [row["likelihood"] for row in rows("plain")]
told = -sum(token["logprob"] for token in read("story")["results"][0]["logprobs"])
assert [tokens for _, tokens in plain] == [15, 21, 1, 12], plain
assert abs(plain[1][0] - plain[0][0] - told) < 1e-3, (plain, told)
value = math.exp(sum(nll for nll, _ in plain) / sum(tokens for _, tokens in plain))
found = read("plain")
assert found["metric"] == "perplexity" and found["examples"] == found["computed"] == 4, found
assert abs(found["value"] - value) < 1e-4 * value, (found, value)
for name in ["private", "batch", "rest"]:
    found = read(name)
    assert abs(found["value"] - value) < 0.01 * value and abs(found["plain_value"] - value) < 1e-4 * value, found
    assert "agreement" not in found and found["max_abs_error"] < 0.2, found
assert read("rest")["computed"] == 2, read("rest")
PY
refused() {
    local message=$1
    shift
    "$trefoil" "$@" >"$work/out" 2>"$work/err" && complain "$* was not refused"
    grep -qF -- "$message" "$work/err" || complain "$*: '$(cat "$work/err")' lacks '$message'"
}
refused "use perplexity" eval --plain --model "$model" --data "$work/texts.jsonl" --metric f1 --out "$work/f1.jsonl"
printf 'label\ttext\nred\thello\n' >"$work/labels.tsv"
refused "generate text" eval --plain --model "$work/reader" --data "$work/labels.tsv" --metric perplexity --out "$work/p.jsonl"
refused "see trefoil generate" infer --local --model "$model" --text hi
refused "see trefoil generate" plain --model "$model" --text hi
conclude
