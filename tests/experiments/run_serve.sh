#!/usr/bin/env bash
# Two parties that stay: one data owner after another asks them, whether it goes in order, disappears, or comes back; what
# a request moves is the same each time, and the memory of those that stay does not grow.
#
#   run_serve.sh BUILD [REQUESTS]      40 in a row by default
set -uo pipefail
trefoil=$1/trefoil requests=${2:-40}
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"

make_tiny_model "$work/tiny"
make_parties || exit 1

# What is wrong with a party's own side ends it before it waits for anybody.
refused() {
    local n=$1 pattern=$2
    shift 2
    start "$n" "$@"
    await 20 "$n"
    [ "$status" = 1 ] || [ "$status" = 2 ] || complain "status $status where '$pattern' was expected"
    grep -qE "$pattern" "$work/err$n" || complain "no '$pattern' in: $(cat "$work/err$n")"
    pid[n]=
}
refused 0 "owns the model: it needs --model"
refused 1 "owns the data: it needs --text or --input"
refused 2 "does not own the data" --text hello
refused 1 "the text is empty" --model "$work/tiny" --text ""
refused 0 "cannot listen at 192.0.2.1 port 1" --model "$work/tiny" --listen 192.0.2.1:1
chmod 640 "$work/id2/key.pem"
refused 2 "a private key that others may read" --wait 60
chmod 600 "$work/id2/key.pem"
refused 2 "party 0 and party 1 did not come within 0.5 s" --wait 0.5
mkdir "$work/own" && mv "$work/id2" "$work/own/id2" && cp -r "$work/id1" "$work/id2"
start 0 --model "$work/tiny" --timeout 5 --wait 6 && start 1 --text hello --timeout 5 --wait 6
refused 2 "proving who is who|fingerprint" --timeout 5
for n in 0 1; do await 30 $n; [ "$status" = 1 ] || complain "party $n went on with a party of a wrong key"; done
grep -q fingerprint "$work"/err? || complain "nobody speaks of fingerprints: $(cat "$work"/err*)"
rm -rf "$work/id2" && mv "$work/own/id2" "$work/id2"

# The model is given at its owner only; the vocabulary comes from there, too.
start 0 --model "$work/tiny" --serve --timeout 3
start 2 --serve --timeout 3
memory() { grep VmRSS "/proc/${pid[$1]}/status" | tr -dc 0-9; }
ask() { "$trefoil" party --id 1 --parties "$work/parties.json" --identity "$work/id1" "$@" 2>"$work/err1"; }

# Request after request, read from a pipe that stays open and silent for longer than the deadline.
mkfifo "$work/questions"
ask --serve --json --timeout 3 <"$work/questions" >"$work/answers" &
pid[1]=$!
exec 4>"$work/questions"
for ((i = 0; i < 5; i++)); do echo "good film" >&4; done
until_line 20 "$work/answers" '"index": 4' || complain "no answers: $(cat "$work"/err*)"
before=("$(memory 0)" "" "$(memory 2)")
sleep 4.5
for ((i = 5; i < requests; i++)); do echo "good film" >&4; done
echo >&4
exec 4>&-
await $((30 + requests)) 1
[ "$status" = 0 ] || complain "the data owner ended with $status: $(cat "$work/err1")"
[ "$(grep -c '"logits"' "$work/answers")" = "$requests" ] || complain "$(grep -c '"logits"' "$work/answers") answers to $requests requests"
tail -1 "$work/answers" | grep -q "\"index\": $requests, \"error\": .*the text is empty" || complain "an empty line: $(tail -1 "$work/answers")"
moved=$(grep -o '"bytes": {"total": [0-9]*, "links": [^}]*, "setup": [0-9]*' "$work/answers" | tail -n +2 | sort -u | wc -l)
[ "$moved" = 1 ] || complain "requests after the first one do not move the same bytes"
for n in 0 2; do
    grown=$(($(memory $n) - before[n]))
    echo "party $n: ${before[n]} kB after 5 requests, $grown kB more after $requests"
    # (the address sanitizer keeps freed memory)
    [ $grown -le $((before[n] / 20)) ] || grep -q 'lib[at]san' <<<"$(ldd "$trefoil")" || complain "party $n has grown by $grown kB"
done

# One data owner after another, with and without --serve.
ask --text "hello world" --json >"$work/answer" && grep -q '"index": 0' "$work/answer" || complain "a second data owner: $(cat "$work/err1")"
printf 'hello\nworld\n' >"$work/texts.txt"
ask --serve --input "$work/texts.txt" >"$work/answer" && [ "$(wc -l <"$work/answer")" = 3 ] || complain "from a file: $(cat "$work/err1")"

# One that is killed in the middle, one that stops, one that never says a word: those that stay wait for the next.
for how in KILL STOP; do
    start 1 --serve --input <(while echo "good film"; do :; done) --timeout 3
    until_line 20 "$work/out1" ' 3 ' || complain "no answers before SIG$how"
    said=$(grep -c 'sent nothing\|has gone\|is silent\|has left' "$work/err0")
    kill -$how "${pid[1]}"
    for ((i = 0; i < 150; i++)); do
        [ "$(grep -c 'sent nothing\|has gone\|is silent\|has left' "$work/err0")" -gt "$said" ] && break
        sleep 0.1
    done
    kill -KILL "${pid[1]}" 2>/dev/null
    wait "${pid[1]}" 2>/dev/null
    ask --text hello --json >"$work/answer" && grep -q '"index": 0' "$work/answer" || complain "after SIG$how: $(cat "$work"/err*)"
done
exec 5<>"/dev/tcp/127.0.0.1/$(grep -o '"port":[0-9]*' "$work/parties.json" | head -1 | tr -dc 0-9)" # and says nothing
ask --text hello --json >"$work/answer" && grep -q '"index": 0' "$work/answer" || complain "beside a silent caller: $(cat "$work"/err*)"
exec 5>&-

# A data owner with other settings is refused, and does no harm.
ask --text hello --frac-bits 14 >"$work/answer" && complain "another precision was accepted"
grep -q "the parties differ in the precision (--frac-bits): party 1 14, parties 0 and 2 16" "$work/err1" || complain "another precision: $(cat "$work/err1")"
ask --text hello >"$work/answer" || complain "after a refusal: $(cat "$work"/err*)"

# The helper is stopped for longer than the deadline: the data owner says so, asks again when it is back, and as all
# three have kept their shares of the weights, these are not shared again.
mkfifo "$work/more"
ask --serve --json --timeout 3 --model "$work/tiny" <"$work/more" >"$work/answers" &
pid[1]=$!
exec 4>"$work/more"
echo "good film" >&4
until_line 20 "$work/answers" '"index": 0' || complain "no answer before the helper stops"
kill -STOP "${pid[2]}"
echo "good film" >&4
until_line 20 "$work/err1" "party 2" || complain "the data owner does not miss the helper: $(cat "$work/err1")"
sleep 1
kill -CONT "${pid[2]}"
exec 4>&-
await 60 1
[ "$status" = 0 ] && [ "$(wc -l <"$work/answers")" = 2 ] || complain "asking again: status $status, $(cat "$work"/err*)"
setup() { sed -n "$1s/.*\"setup\": \([0-9]*\)}.*/\1/p" "$work/answers"; }
echo "set-up of the first request: $(setup 1) B; after coming back: $(setup 2) B"
[ "$(setup 2)" -lt $(($(setup 1) / 2)) ] || complain "weights were shared again: $(setup 1) B, then $(setup 2) B"

# Ended by their operators, they say so.
for n in 0 2; do
    kill -TERM "${pid[n]}"
    await 10 $n
    [ "$status" = 0 ] && tail -1 "$work/err$n" | grep -q "info party $n.*: ended by its operator" || complain "party $n after SIGTERM: $status, $(tail -3 "$work/err$n")"
done

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
