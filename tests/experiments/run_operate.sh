#!/usr/bin/env bash
# A service as its operator meets it: a log with time, party, session and request that says nothing of texts, readiness
# by a file, an end by SIGTERM that lets the request at hand finish, and mistakes of one's own found before any call.
set -uo pipefail
trefoil=$(cd "$1" && pwd)/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
work=$(mktemp -d)
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
make_tiny_model "$work/tiny"
make_parties || exit 1

# --- The log, at its most talkative, and readiness.
touch "$work/ready0" # of an earlier run that was killed
start 0 --model "$work/tiny" --serve --verbose --ready-file "$work/ready0"
start 2 --serve --log-json --log-level debug
until_line 20 "$work/err0" "waiting for" && [ ! -e "$work/ready0" ] || complain "ready before the others are there"
mkfifo "$work/questions"
"$trefoil" party --id 1 --parties "$work/parties.json" --identity "$work/id1" --serve --verbose <"$work/questions" \
    >"$work/out1" 2>"$work/err1" &
pid[1]=$!
exec 4>"$work/questions"
printf 'good canary film\nhello canary\n%s\n' "$(printf 'canary %.0s' {1..900})" >&4
until_line 20 "$work/out1" "   2  error" || complain "no three answers: $(cat "$work"/out1 "$work"/err*)"
[ -e "$work/ready0" ] || complain "party 0 is not ready: $(cat "$work/err0")"
for n in 0 1; do
    grep -qE "^[0-9]{4}-[0-9-]{5}T[0-9:]{8}\.[0-9]{3}Z info party $n session [0-9a-f]{8} request 2: 1 text, [0-9.e-]+ s, [0-9.]+ .?B, done$" \
        "$work/err$n" || complain "no line of request 2 at party $n: $(cat "$work/err$n")"
done
[ "$(sed -n 's/.* session \([0-9a-f]*\) request 1: .*/\1/p' "$work"/err[01] | sort -u | wc -l)" = 1 ] ||
    complain "the parties call their session differently"
python3 - "$work/err2" <<'PYTHON' || complain "the log in JSON: $(cat "$work/err2")"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
done = [line for line in lines if line.get("request") == 2 and line["message"].endswith("done")]
assert len(done) == 1 and done[0]["party"] == 2 and done[0]["texts"] == 1 and done[0]["bytes"] > 10000, done
assert {line["level"] for line in lines} >= {"info", "debug"}, lines
PYTHON
grep -il canary "$work"/err? && complain "a log shows a text"
exec 4>&-
await 20 1
[ "$status" = 0 ] || complain "the data owner ended with $status"
until_line 20 "$work/err0" "no more requests" || complain "party 0 does not tell the end: $(cat "$work/err0")"
[ ! -e "$work/ready0" ] || complain "ready without a data owner"

# --- SIGTERM: idle parties end at once, with 0; one at work finishes what it was asked, and the file goes.
for n in 0 2; do
    kill -TERM "${pid[n]}"
    await 10 $n
    [ "$status" = 0 ] || complain "party $n, idle, ends with $status: $(tail -2 "$work/err$n")"
done
slow=(--shape 80ms,1000mbit) # 82 rounds: some seconds
start 0 --model "$work/tiny" --serve "${slow[@]}" --ready-file "$work/ready0"
start 2 --serve "${slow[@]}"
start 1 --text "hello world" --json "${slow[@]}"
until_line 20 "$work/err0" "ready" && sleep 1.5
[ -s "$work/out1" ] && complain "the request is over before anybody could end it"
kill -TERM "${pid[2]}"
await 30 1
[ "$status" = 0 ] && grep -q '"logits"' "$work/out1" || complain "the request was not finished: $(cat "$work"/err?)"
await 10 2
[ "$status" = 0 ] || complain "party 2 at work ended with $status: $(cat "$work/err2")"
grep -q "request 1: 1 text.*done" "$work/err2" || complain "party 2 has not finished: $(cat "$work/err2")"
kill -TERM "${pid[0]}"
await 10 0
[ "$status" = 0 ] && [ ! -e "$work/ready0" ] || complain "party 0 ended with $status, or its file is still there"

# --- Progress: on a terminal, through mpirun, with a part of the exact forecast and the op; nowhere else.
for ((i = 0; i < 4; i++)); do echo "good film"; done >"$work/texts.txt"
run="$trefoil run -- infer --model $work/tiny --input $work/texts.txt --batch 2 --shape 40ms,1000mbit"
if command -v script >/dev/null; then
    script -qec "stty cols 70; $run" /dev/null >"$work/shown" </dev/null || complain "run on a terminal: $(cat "$work/shown")"
    tr '\r' '\n' <"$work/shown" >"$work/lines"
    grep -qE "^private model: [0-9]+ %, [0-9] of 4, [0-9]+ s left: encoder.layer" "$work/lines" || complain "no progress: $(cat "$work/lines")"
    [ "$(grep -c '^private model' "$work/lines")" -gt 5 ] || complain "progress stands still"
    grep '^private model' "$work/lines" | sed 's/\x1b\[K//' | awk 'length > 70 { exit 1 }' || complain "progress is wider than the terminal"
    script -qec "$run --quiet" /dev/null >"$work/shown" </dev/null
    grep -q "private model:" "$work/shown" && complain "--quiet shows progress"
    make_tiny_decoder "$work/writer"
    script -qec "stty cols 70; $trefoil run -- generate --model $work/writer --prompt once --max-tokens 3 --json --shape 10ms,1000mbit" \
        /dev/null >"$work/shown" </dev/null
    tr '\r' '\n' <"$work/shown" | grep -qE "^tokens: [0-9]+ %, [01] of 2, [0-9]+ s left: " || complain "tokens in JSON have no progress: $(cat "$work/shown")"
    share="$trefoil share-model --arch bert-base --layers 1 --out $work/shares"
    script -qec "stty cols 70; $share" /dev/null >"$work/shown" </dev/null
    tr '\r' '\n' <"$work/shown" | grep -qE "^shared: [0-9]+ %, [0-9]+ of [0-9]+" || complain "share-model shows no progress: $(cat "$work/shown")"
    script -qec "$share --force --quiet" /dev/null </dev/null | grep -q "shared: [0-9]* %" && complain "share-model --quiet shows progress"
else
    echo "progress is not tried: script is not installed (Debian: bsdutils)"
fi
$run >"$work/shown" 2>"$work/err" </dev/null || complain "run without a terminal: $(cat "$work/err")"
[ ! -s "$work/err" ] || complain "progress without a terminal: $(cat "$work/err")"

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
