#!/usr/bin/env bash
# Generation by parties that are started separately: one request and with --serve, with weights from share files, in
# batches; what does not belong together; and a party that dies between two tokens, here and under mpirun: what was
# generated so far is kept and marked as cut.
set -uo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
model=$work/tiny
make_tiny_decoder "$model"
make_tiny_model "$work/reader"
make_parties || exit 1

texts() { grep -o '"text": "[^"]*"' "$@"; }
finished() { grep -o "\"finish_reason\": \"$2\"" "$1" | wc -l; }
# number NAME FILE: the numbers after the name in the bytes of each line.
number() { sed "s/.*\"bytes\": {[^}]*\"$1\": \([0-9]*\).*/\1/" "$2"; }

# together PATTERN: waits for all three, which succeed, or with a pattern fail with it in the reason of each.
together() {
    local n
    for n in 0 1 2; do
        await 60 $n
        if [ -z "$1" ]; then
            [ "$status" = 0 ] || complain "party $n ended with $status: $(cat "$work/err$n")"
        else
            [ "$status" = 1 ] && grep -qE "^trefoil: .*($1)" "$work/err$n" || complain "party $n, status $status: no '$1' in $(cat "$work/err$n")"
            [ ! -s "$work/out$n" ] || complain "party $n printed a result where '$1' was expected"
        fi
        pid[n]=
    done
}

# Of the six tokens after each, none is nearly as likely as another: a logit leads by ten times what private ones are off by.
printf 'once upon a time\nhi\na cat\n' >"$work/prompts.txt"
"$trefoil" generate --plain --model "$model" --input "$work/prompts.txt" --max-tokens 6 --json >"$work/plain"
[ "$(finished "$work/plain" length)" = 3 ] || complain "in floating point: $(cat "$work/plain")"
"$trefoil" generate --plain --model "$model" --input "$work/prompts.txt" --max-tokens 6 --logprobs 2 --json >"$work/leads"
python3 "$here/../support/margins.py" "$work/leads" 0.004 || complain "the prompts leave a choice"

# One request; only the model owner has the model, only the data owner the prompts. All in one batch, or two together.
for batch in "" "--batch 2"; do
    start 0 --model "$model" && start 2
    # shellcheck disable=SC2086
    start 1 --input "$work/prompts.txt" --max-tokens 6 --json $batch
    together ""
    [ "$(texts "$work/out1")" = "$(texts "$work/plain")" ] || complain "apart $batch: $(cat "$work/out1")"
    [ ! -s "$work/out0" ] && [ ! -s "$work/out2" ] || complain "others than the data owner print texts"
done
from_owner=$(number setup "$work/out1")

# Tokens that are drawn: of one candidate always the likeliest, as the data owner alone has said it; under mpirun too.
start 0 --model "$model" && start 2
start 1 --input "$work/prompts.txt" --max-tokens 6 --json --temperature 0.8 --top-k 1
together ""
[ "$(texts "$work/out1")" = "$(texts "$work/plain")" ] || complain "drawn apart: $(cat "$work/out1")"
for options in "--top-k 1" "--top-k 5 --top-p 0.9 --repeat-penalty 1.2"; do
    # shellcheck disable=SC2086
    mpirun --oversubscribe -n 3 "$trefoil" generate --model "$model" --input "$work/prompts.txt" --max-tokens 6 --json \
        --temperature 0.8 $options >"$work/out" 2>"$work/err" || complain "drawn under mpirun: $(cat "$work/err")"
    [ "$(finished "$work/out" length)" = 3 ] || complain "drawn under mpirun: $(cat "$work/out")"
    [ "$options" != "--top-k 1" ] || [ "$(texts "$work/out")" = "$(texts "$work/plain")" ] ||
        complain "drawn under mpirun: $(cat "$work/out")"
done

# Proposals are the data owner's own business: the others are told how many come at once. Prompts follow one another.
for draft in ngram "$model"; do
    start 0 --model "$model" && start 2
    start 1 --input "$work/prompts.txt" --max-tokens 6 --json --draft "$draft" --draft-tokens 2
    together ""
    [ "$(texts "$work/out1")" = "$(texts "$work/plain")" ] || complain "--draft $draft: $(cat "$work/out1")"
    grep -q '"draft": {"proposed": 2, ' "$work/out1" || complain "--draft $draft: $(cat "$work/out1")"
done
start 0 --model "$model" && start 2
start 1 --prompt hi --max-tokens 6 --draft "$work/reader" --wait 3
await 20 1
[ "$status" = 1 ] && grep -q "generates no text" "$work/err1" || complain "--draft of a reader: $(cat "$work/err1")"
for n in 0 2; do await 20 $n; pid[n]=; done

# What does not belong together.
start 0 --model "$model" && start 2 --reveal logits
start 1 --prompt hello --reveal logits
together "differ in what is revealed"
start 0 --model "$model" && start 2
start 1 --prompt hello --context 32
together "differ in the context .--context.: party 1 32, parties 0 and 2 64"
start 1 --model "$model" --prompt hello --context 32 --max-tokens 30
await 20 1
[ "$status" = 1 ] && grep -q "do not fit a context of 32" "$work/err1" || complain "too long: $(cat "$work/err1")"
start 0 --model "$model" --keep 3 && start 2 --keep 3
start 1 --prompt hello
together "differ in what is kept of prompts"
start 0 --model "$model" && start 2
# A penalty and a length at which no two words of this model, whose weights are random, come close.
start 1 --input "$work/prompts.txt" --max-tokens 4 --json --repeat-penalty 1.5
together ""
"$trefoil" generate --plain --model "$model" --input "$work/prompts.txt" --max-tokens 4 --json --repeat-penalty 1.5 >"$work/penalised"
[ "$(texts "$work/out1")" = "$(texts "$work/penalised")" ] || complain "penalised: $(cat "$work/out1")"

# A model that no party knows: no weight travels, and with --stream none stays in memory.
"$trefoil" share-model --model "$model" --out "$work/shared" >"$work/out" || complain "share-model"
for options in "" "--stream"; do
    for n in 0 2; do
        # shellcheck disable=SC2086
        start $n --model-shares "$work/shared/party$n" $options
    done
    # shellcheck disable=SC2086
    start 1 --model-shares "$work/shared/party1" --input "$work/prompts.txt" --max-tokens 6 --json $options
    together ""
    [ "$(texts "$work/out1")" = "$(texts "$work/plain")" ] || complain "--model-shares $options: $(cat "$work/out1")"
done
[ "$(number setup "$work/out1")" -lt "$from_owner" ] || complain "weights from share files travel"
"$trefoil" generate --local --model-shares "$work/shared" --input "$work/prompts.txt" --max-tokens 6 --json >"$work/out" ||
    complain "generate --model-shares"
[ "$(texts "$work/out")" = "$(texts "$work/plain")" ] || complain "generate --model-shares: $(cat "$work/out")"

# The tokens that end a text are the model owner's generation_config.json's; stop strings are the data owner's own.
echo '{"eos_token_id": 16}' >"$model/generation_config.json" # the letter o
for options in "" "--ignore-eos" "--stop oq --ignore-eos"; do
    start 0 --model "$model" && start 2
    # shellcheck disable=SC2086
    start 1 --prompt "once upon a time" --max-tokens 6 --json $options
    together ""
    case $options in
        "") expected='"text": "wq", "finish_reason": "stop"' ;;
        --ignore-eos) expected='"text": "wqoqoq", "finish_reason": "length"' ;;
        *) expected='"text": "wq", "finish_reason": "stop"' ;;
    esac
    grep -qF "$expected" "$work/out1" || complain "$options: $(cat "$work/out1")"
done
rm "$model/generation_config.json"
start 0 --model "$model" --wait 3 && start 2 --wait 3
start 1 --prompt hi --pad-to 8 --wait 3
await 20 1
[ "$status" = 1 ] && grep -q "lengths of prompts are public" "$work/err1" || complain "--pad-to: $(cat "$work/err1")"
for n in 0 2; do await 20 $n; pid[n]=; done

# A conversation by the template of the model's directory, which the data owner gets with the tokenizer; in pieces.
together_chat() {
    start 0 --model "$model" --prefill 4 && start 2 --prefill 4
    start 1 --prompt "hi" --chat --prefill 4 --max-tokens 6 --json
}
together_chat
await 20 1
[ "$status" = 1 ] && grep -q "template" "$work/err1" || complain "--chat without a template: $(cat "$work/err1")"
for n in 0 2; do await 20 $n; pid[n]=; done
echo "{% for message in messages %}{{ message['role'] }}. {{ message['content'] }}.{% endfor %} once" >"$model/chat_template.jinja"
together_chat
together ""
cp "$work/out1" "$work/chat"
start 0 --model "$model" && start 2
start 1 --prompt "user. hi. once" --max-tokens 6 --json
together ""
[ "$(texts "$work/chat")" = "$(texts "$work/out1")" ] && grep -q '"prompt_tokens": 14' "$work/chat" || complain "--chat: $(cat "$work/chat")"
rm "$model/chat_template.jinja"

# Parties that stay: prompt after prompt, a line for each; the caches of one are not those of the next.
start 0 --model "$model" --serve --timeout 5
start 2 --serve --timeout 5
ask() { "$trefoil" party --id 1 --parties "$work/parties.json" --identity "$work/id1" --wait 20 "$@" 2>"$work/err1"; }
printf 'once upon a time\nhi\n\na cat\nonce upon a time\n' | ask --serve --json --max-tokens 6 >"$work/answers" ||
    complain "--serve: $(cat "$work/err1")"
[ "$(texts "$work/answers" | head -3)" = "$(texts "$work/plain")" ] || complain "--serve: $(cat "$work/answers")"
grep -q '"index": 2, "error": .*line 3 is empty' "$work/answers" || complain "an empty prompt: $(cat "$work/answers")"
grep -q '"index": 3, "prompt_tokens": 5' "$work/answers" || complain "the fourth: $(cat "$work/answers")"
for name in total per_token; do
    [ "$(sed -n 1p "$work/answers" | number $name -)" = "$(sed -n 5p "$work/answers" | number $name -)" ] ||
        complain "the same prompt moves other bytes ($name): $(cat "$work/answers")"
done
ask --prompt hi --max-tokens 6 >"$work/answer" || complain "a second data owner: $(cat "$work/err1")"
texts "$work/plain" | grep -qF "\"$(tr -d '\n' <"$work/answer")\"" || complain "as text: $(cat "$work/answer")"
for n in 0 2; do
    kill -TERM "${pid[n]}"
    await 10 $n
    pid[n]=
done

# cut WHAT: what the data owner says when a party has died.
cut() {
    grep -qE '^[a-z. ]+ \[cut\]$' "$work/out1" || complain "$1: no text that is marked as cut: $(cat "$work/out1")"
}
slow=(--shape 3ms,100mbit --timeout 5)
for victim in 0 2; do
    rm -f "$work/out1" # which until_line looks into
    start 0 --model "$model" "${slow[@]}" && start 2 "${slow[@]}"
    start 1 --prompt "once upon a time" --max-tokens 40 "${slow[@]}"
    until_line 60 "$work/out1" '[a-z]' || complain "no token before party $victim dies: $(cat "$work"/err?)"
    { kill -KILL "${pid[victim]}" && wait "${pid[victim]}"; } 2>/dev/null
    for n in 0 1 2; do
        [ $n != $victim ] || continue
        await 20 $n
        [ "$status" = 1 ] && grep -qE "^trefoil: .*party $victim" "$work/err$n" || complain "party $n, status $status, does not name party $victim: $(cat "$work/err$n")"
    done
    pid=()
    cut "apart, without party $victim"
done

# With --serve the next request is answered, as soon as the party is back.
start 0 --model "$model" --serve "${slow[@]}" && start 2 --serve "${slow[@]}"
printf 'once upon a time\nhello\n' >"$work/two.txt"
rm -f "$work/out1"
start 1 --serve --input "$work/two.txt" --max-tokens 30 "${slow[@]}"
until_line 60 "$work/out1" '[a-z]' || complain "no token before the helper dies"
{ kill -KILL "${pid[2]}" && wait "${pid[2]}"; } 2>/dev/null
start 2 --serve "${slow[@]}"
await 60 1
[ "$status" = 0 ] && [ "$(wc -l <"$work/out1")" = 2 ] || complain "after the helper came back: $status, $(cat "$work"/err?)"
cut "with --serve"
grep -qE '^[a-z. ]{30}$' "$work/out1" || complain "the second request: $(cat "$work/out1")"
for n in 0 2; do { kill -KILL "${pid[n]}" && wait "${pid[n]}"; } 2>/dev/null; pid[n]=; done

# Under mpirun, which ends those that are left: first by asking, then, not too soon for a busy machine, by force.
export OMPI_MCA_odls_base_sigkill_timeout=10
command=()
for n in 0 1 2; do
    command+=(: -n 1 bash -c 'echo $$ >"$0"; exec "$@" >"$0.out" 2>"$0.err"' "$work/process$n" "$trefoil" generate \
        --model "$model" --prompt "once upon a time" --max-tokens 40 "${slow[@]}")
done
mpirun --oversubscribe "${command[@]:1}" >"$work/mpirun.out" 2>"$work/mpirun.err" </dev/null &
launcher=$!
until_line 60 "$work/process1.out" '[a-z]' || complain "no token under mpirun: $(cat "$work/mpirun.err" "$work"/process?.err)"
kill -KILL "$(cat "$work/process2")"
for ((i = 0; i < 600; i++)); do kill -0 $launcher 2>/dev/null || break; sleep 0.1; done
kill -KILL $launcher 2>/dev/null && complain "mpirun does not end"
wait $launcher
[ $? != 0 ] || complain "mpirun says that all is well"
cp "$work/process1.out" "$work/out1"
cut "under mpirun"
grep -qE "rank 2 .*signal 9|exited on signal" "$work/mpirun.err" || complain "mpirun says: $(cat "$work/mpirun.err")"

conclude
