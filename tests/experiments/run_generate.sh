#!/usr/bin/env bash
# trefoil generate: in floating point and between three parties, against a continuation known from float64; batches,
# stop strings, sampling, JSON, and what is refused.
set -uo pipefail
trefoil=$1/trefoil
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
model=$source/.cache/stories15m
if [ ! -f "$model/model.safetensors" ]; then
    echo "skipped: stories15M is not there (experiments/setup.sh stories)"
    exit 77
fi
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
prompt="Once upon a time, there was a little girl named Lily."
story=" She loved to play outside in the sunshine. One"

# run ARGUMENTS...: generate with --json, into $work/out
run() {
    "$trefoil" generate --model "$model" --json "$@" >"$work/out" 2>"$work/err" || complain "$*: $(cat "$work/err")"
}
# value EXPRESSION: of the JSON object o
value() {
    python3 -c "import json, sys; o = json.load(open('$work/out')); print($1)"
}
check() {
    [ "$(value "$1")" = "$2" ] || complain "$1 is $(value "$1"), not $2"
}
refused() {
    local message=$1
    shift
    if "$trefoil" generate --model "$model" "$@" >"$work/out" 2>"$work/err"; then
        complain "$* was not refused"
    elif ! grep -qF -- "$message" "$work/err"; then
        complain "$*: '$(cat "$work/err")' lacks '$message'"
    fi
}

run --plain --prompt "$prompt" --max-tokens 12
check "o['results'][0]['text'].strip()" "${story# }"
check "o['results'][0]['prompt_tokens']" 15
check "o['results'][0]['finish_reason']" length
check "len(o['results'][0]['tokens'])" 12

for reveal in token logits; do
    run --local --reveal $reveal --prompt "$prompt" --max-tokens 4
    check "o['results'][0]['tokens']" "[2296, 18012, 304, 1708]"
    check "o['reveal']" $reveal
    check "o['bytes']['total'] == o['forecast']['bytes'] and o['rounds']['total'] == o['forecast']['rounds']" True
    check "o['bytes']['total'] == o['bytes']['prefill'] + 3 * o['bytes']['per_token']" True
    check "o['rounds']['total'] == o['rounds']['prefill'] + 3 * o['rounds']['per_token']" True
    moved=$(value "(o['bytes']['total'], o['bytes']['per_token'], o['rounds']['total'], o['rounds']['per_token'])")
    "$trefoil" cost --model "$model" --seq 15 --tokens 4 --reveal $reveal --json >"$work/out" || complain "cost"
    check "(o['bytes']['total'], o['per_token']['bytes'], o['rounds'], o['per_token']['rounds'])" "$moved"
done

# In pieces a prompt says what it says at once, and what is forecast.
run --local --prompt "$prompt" --prefill 6 --max-tokens 3
check "o['results'][0]['tokens']" "[2296, 18012, 304]"
moved=$(value "(o['bytes']['prefill'], o['bytes']['total'], o['rounds']['total'])")
"$trefoil" cost --model "$model" --seq 15 --prefill 6 --tokens 3 --json >"$work/out" || complain "cost --prefill"
check "(o['prefill']['bytes'], o['bytes']['total'], o['rounds'])" "$moved"

# agrees FORECAST_OPTIONS -- OPTIONS: in private as in floating point, moving what is forecast.
agrees() {
    local forecast=()
    while [ "$1" != -- ]; do forecast+=("$1") && shift; done
    shift
    run --plain "$@"
    tokens=$(value "[r['tokens'] for r in o['results']]")
    run --local "$@"
    check "[r['tokens'] for r in o['results']]" "$tokens"
    check "(o['bytes']['total'], o['rounds']['total']) == (o['forecast']['bytes'], o['forecast']['rounds'])" True
    moved=$(value "(o['bytes']['total'], o['rounds']['total'])")
    "$trefoil" cost --model "$model" --json "${forecast[@]}" >"$work/out" || complain "cost ${forecast[*]}"
    check "(o['bytes']['total'], o['rounds'])" "$moved"
}

# Of a prompt eight tokens are kept, read at once or in pieces: another text, the same in private.
agrees --seq 15 --tokens 5 --keep 8 -- --prompt "$prompt" --max-tokens 5 --keep 8
[ "$tokens" = "[[2296, 18012, 304, 1708, 411]]" ] || complain "--keep 8: $tokens"
agrees --seq 15 --tokens 5 --keep 8 --prefill 6 -- --prompt "$prompt" --max-tokens 5 --keep 8 --prefill 6
run --plain --prompt "$prompt" --max-tokens 6 --keep 15
check "o['results'][0]['tokens'][:5]" "[2296, 18012, 304, 1708, 5377]"

# Tokens of the text are penalised inside, chosen or drawn.
printf '%s\nOne day\n' "$prompt" >"$work/prompts.txt"
agrees --seq 15 --batch 2 --tokens 6 --repeat-penalty 1.3 -- --input "$work/prompts.txt" --max-tokens 6 --repeat-penalty 1.3
run --local --prompt "$prompt" --max-tokens 3 --temperature 0.7 --top-k 1 --repeat-penalty 1.3
check "o['results'][0]['tokens']" "[2296, 18012, 304]"

# Proposals change no token, right or wrong. What is moved is the forecast, and where all are right what cost says.
# drafted PASSES DRAFT OPTIONS: nine tokens, of which the first comes with the prompt and the others in so many passes.
drafted() {
    local passes=$1 draft=$2
    shift 2
    run --plain --prompt "$again" --max-tokens 9 "$@"
    tokens=$(value "o['results'][0]['tokens']")
    run --local --prompt "$again" --max-tokens 9 --draft "$draft" --draft-tokens 3 "$@"
    check "o['results'][0]['tokens']" "$tokens"
    check "(o['bytes']['total'], o['rounds']['total']) == (o['forecast']['bytes'], o['forecast']['rounds'])" True
    check "[o['draft'][key] for key in ('proposed', 'passes', 'tokens')]" "[3, $passes, 8]"
}
again="The cat sat on the mat. The cat sat on the mat. The cat sat on"
drafted 5 ngram
drafted 6 ngram --keep 8
drafted 6 "$model" --repeat-penalty 1.3
echo "A cat sat on the mat. The cat was happy. The end." >"$work/known.txt"
drafted 3 "$work/known.txt"
drafted 2 "$model"
moved=$(value "(o['bytes']['total'], o['rounds']['total'])")
"$trefoil" cost --model "$model" --seq 19 --tokens 9 --draft-tokens 3 --json >"$work/out" || fail "cost --draft-tokens"
check "(o['bytes']['total'], o['rounds'])" "$moved"
run --local --prompt "$again" --max-tokens 5 --draft ngram --temperature 0.7 --top-k 1
check "o['results'][0]['tokens']" "[278, 1775, 29889, 450, 6635]"
check "o['draft']['passes']" 1
refused "at most 32" --local --prompt hi --draft-tokens 33
refused "of which --plain has none" --plain --prompt hi --draft ngram
refused "not for --reveal logits" --local --prompt hi --draft ngram --reveal logits
refused "one prompt after the other" --local --prompt hi --draft ngram --batch 2
refused "holds a model that generates no text" --local --prompt hi --draft "$source/.cache/minilm"

# A batch says what each prompt says alone, also of what is kept of prompts.
printf '%s\nOne day\n' "$prompt" >"$work/prompts.txt"
run --plain --prompt "One day" --max-tokens 4
alone=$(value "o['results'][0]['tokens']")
run --local --reveal logits --input "$work/prompts.txt" --max-tokens 4
check "o['results'][0]['tokens']" "[2296, 18012, 304, 1708]"
check "o['results'][1]['tokens']" "$alone"
run --plain --input "$work/prompts.txt" --max-tokens 4 --keep 8
check "[r['tokens'][:3] for r in o['results']]" "[[2296, 18012, 304], ${alone%,*}]]"

mpirun -n 3 "$trefoil" generate --model "$model" --prompt "$prompt" --max-tokens 3 --json >"$work/out" 2>"$work/err" ||
    complain "mpirun: $(cat "$work/err")"
check "o['results'][0]['tokens']" "[2296, 18012, 304]"

run --plain --prompt "$prompt" --max-tokens 20 --stop "outside"
check "o['results'][0]['text'].strip()" "She loved to play"
check "o['results'][0]['finish_reason']" stop

run --plain --prompt "$prompt" --max-tokens 12 --temperature 1 --seed 7
first=$(value "o['results'][0]['tokens']")
run --plain --prompt "$prompt" --max-tokens 12 --temperature 1 --seed 7
check "o['results'][0]['tokens']" "$first"
run --plain --prompt "$prompt" --max-tokens 12 --temperature 1 --seed 8
[ "$(value "o['results'][0]['tokens']")" != "$first" ] || complain "another seed draws the same"
run --plain --prompt "$prompt" --max-tokens 2 --logprobs 3
check "[t['top'][0]['token'] for t in o['results'][0]['logprobs']]" "[2296, 18012]"
check "all(t['logprob'] == t['top'][0]['logprob'] <= 0 for t in o['results'][0]['logprobs'])" True

refused "do not fit a context of 20" --plain --prompt "$prompt" --context 20 --max-tokens 10
refused "the model has 256 positions" --plain --prompt "$prompt" --context 300
refused "16" --plain --prompt "$prompt $prompt" --context 16
refused "neither token nor logits" --local --prompt "$prompt" --reveal all
refused "--seed needs --plain" --local --prompt "$prompt" --seed 3
refused "--logprobs needs --reveal logits" --local --prompt "$prompt" --logprobs 3
refused "from 0.01 on" --local --prompt "$prompt" --repeat-penalty 0.001
refused "at most 256" --local --prompt "$prompt" --temperature 1 --top-k 1000

# Drawn inside: one of few candidates is always the likeliest, and what is forecast is moved.
run --local --prompt "$prompt" --max-tokens 3 --temperature 0.7 --top-k 1
check "o['results'][0]['tokens']" "[2296, 18012, 304]"
run --local --prompt "$prompt" --max-tokens 3 --temperature 0.9 --top-k 40 --top-p 0.9
check "len(o['results'][0]['tokens'])" 3
check "o['bytes']['total'] == o['forecast']['bytes'] and o['rounds']['total'] == o['forecast']['rounds']" True
run --local --prompt "$prompt" --max-tokens 3 --temperature 0.7 --top-k 0 --top-p 1e-6
check "o['results'][0]['tokens']" "[2296, 18012, 304]"
check "o['bytes']['total'] == o['forecast']['bytes'] and o['rounds']['total'] == o['forecast']['rounds']" True
refused "either --prompt or --input" --plain
conclude
