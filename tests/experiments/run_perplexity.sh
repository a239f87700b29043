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
python3 - "$work" <<'PY' || complain "choices"
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
# Of the choices of a question the likeliest counts, of all its tokens or of a token in the mean; the prompt does not
# count. The right one of the first is what the model says itself, of the second another.
"$trefoil" generate --plain --model "$model" --prompt "once upon a time " --max-tokens 6 --logprobs 1 --json >"$work/answer" || complain generate
python3 - "$work" <<'PY' || complain "no questions"
import json, sys
story = json.load(open(sys.argv[1] + "/answer"))["results"][0]
with open(sys.argv[1] + "/questions.jsonl", "w") as file:
    for label, choices in [(1, ["zzzzzz", story["text"], "a"]), ("zz", [story["text"], "zz"]), (0, [story["text"], "q"])]:
        file.write(json.dumps({"prompt": "once upon a time ", "choices": choices, "label": label}) + "\n")
PY
ask() { "$trefoil" eval --model "$model" --data "$work/questions.jsonl" --json "$@"; }
ask --plain --out "$work/chosen.jsonl" >"$work/chosen" || complain "questions in floating point"
ask --local --check --out "$work/secret.jsonl" >"$work/secret" || complain "questions between three parties"
head -4 "$work/secret.jsonl" >"$work/partly.jsonl"
ask --local --check --out "$work/partly.jsonl" >"$work/partly" || complain "the rest of the questions"
python3 - "$work" <<'PY' || complain "choices"
import json, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}"))
rows = [json.loads(line)["likelihood"] for line in list(open(f"{sys.argv[1]}/chosen.jsonl"))[1:]]
told = -sum(token["logprob"] for token in read("answer")["results"][0]["logprobs"])
assert len(rows) == 7 and abs(rows[1][0] - told) < 1e-3, (rows, told)
assert rows[1][1] == 6 and rows[2][1] == 1, rows
def part(question, key):
    first, count, right = question
    mine = [key(row) for row in rows[first:first + count]]
    return mine.index(min(mine)) == right
questions = [(0, 3, 1), (3, 2, 1), (5, 2, 0)]
for name in ["chosen", "secret", "partly"]:
    found = read(name)
    for metric, key in [("accuracy", lambda r: r[0]), ("accuracy_mean", lambda r: r[0] / r[1])]:
        wanted = sum(part(q, key) for q in questions) / 3
        assert abs(found["metrics"][metric] - wanted) < 1e-9, (name, found, wanted)
assert read("secret")["agreement"] == 1 and read("partly")["computed"] == 4, (read("secret"), read("partly"))
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
echo '{"prompt": "hi", "choices": ["a", "b"], "label": 2}' >"$work/wrong.jsonl"
refused "neither the number of a choice" eval --plain --model "$model" --data "$work/wrong.jsonl" --out "$work/w.jsonl"
echo '{"prompt": "hi", "choices": ["a", "b"]}' >"$work/wrong.jsonl"
refused "has no \"label\"" eval --plain --model "$model" --data "$work/wrong.jsonl" --out "$work/w.jsonl"
echo '{"prompt": "hi", "choices": ["a"], "label": 0}' >"$work/wrong.jsonl"
refused "at least two" eval --plain --model "$model" --data "$work/wrong.jsonl" --out "$work/w.jsonl"
refused "generates no text" eval --plain --model "$work/reader" --data "$work/questions.jsonl" --out "$work/w.jsonl"

# Under mpirun two groups of three divide the texts, of perplexities and of questions.
for data in questions texts; do
    mpirun --oversubscribe -n 6 "$trefoil" eval --model "$model" --data "$work/$data.jsonl" --json \
        --out "$work/mpi-$data.jsonl" >"$work/mpi-$data" 2>"$work/err" || complain "under mpirun: $(cat "$work/err")"
done
python3 - "$work" <<'PY' || complain "under mpirun: $(cat "$work"/mpi-*)"
import json, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}"))
assert read("mpi-questions")["metrics"] == read("chosen")["metrics"]
assert read("mpi-texts")["groups"] == 2 and abs(read("mpi-texts")["value"] / read("plain")["value"] - 1) < 0.01
PY
conclude
