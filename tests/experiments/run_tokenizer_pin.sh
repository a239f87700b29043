#!/usr/bin/env bash
# The data owner holds to the tokenizer that it trusts: a model owner that offers another one, such as a vocabulary that
# spells a word in pieces so that the text's length tells of it, is refused; whoever holds to none is warned once.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"

make_tiny_model "$work/tiny"
make_parties || exit 1
mkdir "$work/own" && cp "$work/tiny/vocab.txt" "$work/own"
cp -r "$work/tiny" "$work/spells"
sed -i 's/^film$/fi/; s/^##s$/##lm/' "$work/spells/vocab.txt"
[ "$("$trefoil" tokenize --model "$work/tiny" --text "good film" | tr -cd , | wc -c)" != \
    "$("$trefoil" tokenize --model "$work/spells" --text "good film" | tr -cd , | wc -c)" ] || complain "the other vocabulary does not spell"

# ask MODEL PATTERN ARGUMENT...: the model owner has this model; without a pattern all end well, otherwise all three fail,
# the data owner with the pattern.
ask() {
    local model=$1 pattern=$2 n
    shift 2
    start 0 --model "$model" && start 2
    start 1 --text "good film" "$@"
    for n in 1 0 2; do
        await 60 $n
        pid[n]=
        [ -n "$pattern" ] || [ "$status" = 0 ] || complain "party $n: $(cat "$work/err$n")"
        [ -z "$pattern" ] || [ "$status" = 1 ] || complain "party $n ended with $status where '$pattern' was expected"
    done
    [ -z "$pattern" ] || [ ! -s "$work/out1" ] || complain "a result where '$pattern' was expected"
    [ -z "$pattern" ] || grep -q -- "$pattern" "$work/err1" || complain "no '$pattern' in: $(cat "$work/err1")"
}

ask "$work/tiny" ""
[ "$(grep -c "warning: the vocabulary is the model owner's" "$work/err1")" = 1 ] || complain "no warning: $(cat "$work/err1")"
cat "$work/err0" "$work/err2" | grep -q "vocabulary" && complain "others are warned"
digest=$(grep -oE '[0-9a-f]{64}' "$work/err1")
plain=$("$trefoil" plain --model "$work/tiny" --text "good film" | grep -oE 'red|green|blue' | head -1)
for pin in "--tokenizer $work/own" "--tokenizer-digest $digest" "--tokenizer $work/tiny --tokenizer-digest $digest"; do
    # shellcheck disable=SC2086
    ask "$work/tiny" "" $pin
    grep -q "vocabulary" "$work/err1" && complain "$pin: a warning: $(cat "$work/err1")"
    grep -q "$plain" "$work/out1" || complain "$pin: another result: $(cat "$work/out1")"
done
# Files that say the same otherwise are the same tokenizer, as after fine-tuning; a chat template is part of it.
echo '{"model_max_length": 512, "tokenizer_class": "BertTokenizer"}' >"$work/own/tokenizer_config.json"
ask "$work/tiny" "" --tokenizer "$work/own"
cp -r "$work/own" "$work/chats" && echo "{{ messages[0]['content'] }}" >"$work/chats/chat_template.jinja"
ask "$work/tiny" "differ in the tokenizer" --tokenizer "$work/chats"
ask "$work/spells" "differ in the tokenizer" --tokenizer "$work/own"
for n in 0 2; do grep -q "differ in the tokenizer" "$work/err$n" || complain "party $n: $(cat "$work/err$n")"; done
ask "$work/spells" "not that of --tokenizer-digest" --tokenizer-digest "$digest"
grep -q "good\|film" "$work/err0" "$work/err2" && complain "the text is in a notice"

# In one job, where each party has a directory of its own kind.
"$trefoil" infer --local --model "$work/spells" --text "good film" --tokenizer "$work/own" >"$work/out" 2>"$work/err" && complain "--local: not refused"
grep -q "differ in the tokenizer" "$work/err" || complain "--local: $(cat "$work/err")"
# Beside tokenizer.json, tokenizer_config.json changes ids too.
cp -r "$work/tiny" "$work/json"
awk 'BEGIN { printf "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {" }
    { printf "%s\"%s\": %d", (NR > 1 ? ", " : ""), $0, NR - 1 }
    END { print "}}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}" }' "$work/tiny/vocab.txt" >"$work/json/tokenizer.json"
cp -r "$work/json" "$work/flags" && echo "{\"added_tokens_decoder\": {\"5\": {\"content\": \"$(sed -n 6p "$work/tiny/vocab.txt")\"}}}" >"$work/flags/tokenizer_config.json"
"$trefoil" infer --local --model "$work/json" --text "good film" --tokenizer "$work/json" >"$work/out" 2>"$work/err" || complain "tokenizer.json: $(cat "$work/err")"
"$trefoil" infer --local --model "$work/flags" --text "good film" --tokenizer "$work/json" >"$work/out" 2>"$work/err" && complain "other flags are not refused"
grep -q "differ in the tokenizer" "$work/err" || complain "other flags: $(cat "$work/err")"
"$trefoil" infer --local --model "$work/tiny" --text "good film" --tokenizer-digest 12 >"$work/out" 2>"$work/err" && complain "12 is no digest"
grep -q "64 hexadecimal digits" "$work/err" || complain "12: $(cat "$work/err")"

conclude
