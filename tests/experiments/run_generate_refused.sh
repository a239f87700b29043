#!/usr/bin/env bash
# What trefoil generate refuses before anything is computed, in floating point and between three parties alike: prompts
# that are empty or too long, templates that are missing or unknown, a tokenizer of another vocabulary, broken weights.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
model=$work/tiny
make_tiny_decoder "$model"

refused() {
    local message=$1 mode
    shift
    for mode in --plain --local; do
        "$trefoil" generate "$mode" --max-tokens 3 "$@" >"$work/out" 2>"$work/err" && complain "$mode $* was not refused"
        grep -qF -- "$message" "$work/err" || complain "$mode $*: '$(cat "$work/err")' lacks '$message'"
        [ ! -s "$work/out" ] || complain "$mode $* prints $(cat "$work/out")"
    done
}
refused "is empty" --model "$model" --prompt ""
printf 'hi\n\na cat\n' >"$work/prompts.txt"
refused "line 2 is empty" --model "$model" --input "$work/prompts.txt"
refused "70 tokens, and at most 64" --model "$model" --prompt "$(printf 'a%.0s' {1..70})"
refused "do not fit a context of 64" --model "$model" --prompt "$(printf 'a%.0s' {1..62})"
refused "--context 65: the model has 64 positions" --model "$model" --prompt hi --context 65

refused "no chat template" --model "$model" --prompt hi --chat
cp -r "$model" "$work/template"
echo '{% macro x() %}a{% endmacro %}{{ x() }}' >"$work/template/chat_template.jinja"
refused 'the statement "macro" is not supported' --model "$work/template" --prompt hi --chat

cp -r "$model" "$work/words"
sed -i 's/"z":27/"z":28/' "$work/words/tokenizer.json"
refused "the tokenizer has 29 words, but config.json's vocab_size is 28" --model "$work/words" --prompt hi

cp -r "$model" "$work/broken"
size=$(stat -c %s "$model/model.safetensors")
printf '\000\000\300\177' | dd of="$work/broken/model.safetensors" bs=1 conv=notrunc seek=$((size - 40)) 2>"$work/err"
refused 'tensor "lm_head.weight" holds NaN' --model "$work/broken" --prompt hi

# The sliding window of Mistral and what is kept of prompts do not go together.
cp -r "$model" "$work/window"
sed -i 's/"model_type": *"llama"/"model_type": "mistral", "sliding_window": 4/; s/LlamaForCausalLM/MistralForCausalLM/' \
    "$work/window/config.json"
refused "look at the 4 before them alone" --model "$work/window" --prompt "once upon" --keep 3
conclude
