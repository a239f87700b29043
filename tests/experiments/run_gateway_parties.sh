#!/usr/bin/env bash
# The gateway with two parties that are started apart, under a load: eight clients ask 200 times, among them some that go
# half-way, while a party is killed and started again. Every request that was answered was answered once and right, the
# rest were told to come again; memory does not grow, and the others' logs know lengths at most.
#
#   run_gateway_parties.sh BUILD [REQUESTS]      200 by default
set -uo pipefail
command -v python3 >/dev/null || { echo "skipped: python3 is not installed (Debian: python3)"; exit 77; }
command -v curl >/dev/null || { echo "skipped: curl is not installed (Debian: curl)"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
trefoil=$1/trefoil requests=${2:-200}
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
make_tiny_model "$work/tiny"
make_tiny_decoder "$work/writer"
make_parties || exit 1

apart=(--id 1 --parties "$work/parties.json" --identity "$work/id1" --timeout 5)
memory() { grep VmRSS "/proc/${pid[$1]}/status" | tr -dc 0-9; }
both() { # MODEL: starts parties 0 and 2
    start 0 --model "$1" --serve --timeout 5
    start 2 --serve --timeout 5
}

# Alone it says that it waits, and to whom; then they come.
gateway "${apart[@]}"
ask /health ""
[ "$status" = 503 ] && grep -q "waiting for the other parties" "$work/answer" || complain "alone: $status $(cat "$work/answer")"
ask /predict '{"inputs":"hello"}' -D "$work/head"
[ "$status" = 503 ] && grep -qi '^retry-after: [1-9]' "$work/head" || complain "alone: $status $(cat "$work/head")"
both "$work/tiny"
until_health 30 200
ask /predict '{"inputs":"good film"}'
[ "$status" = 200 ] || complain "the first: $status $(cat "$work/answer")"

# A load, while the helper is killed and comes back.
python3 "$here/../support/load.py" "$url" "$requests" 8 read >"$work/load" 2>&1 &
load=$!
sleep 2
kill -KILL "${pid[2]}"
wait "${pid[2]}" 2>/dev/null
sleep 1
start 2 --serve --timeout 5
wait $load || complain "the load: $(cat "$work/load")"
cat "$work/load"
until_health 30 200
python3 "$here/../support/load.py" "$url" 20 1 same >"$work/load" 2>&1 || complain "one by one: $(cat "$work/load")"
before=$(memory 1)
python3 "$here/../support/load.py" "$url" 150 1 same >"$work/load" 2>&1 || complain "one by one: $(cat "$work/load")"
grown=$(($(memory 1) - before))
echo "the gateway: $before kB, $grown kB more after 150 requests"
[ $grown -le $((before / 50)) ] || grep -q 'lib[at]san' <<<"$(ldd "$trefoil")" || complain "the gateway has grown by $grown kB"
grep -c "ready: all three" "$work/log" | grep -q '^[2-9]' || complain "they did not meet again: $(cat "$work/log")"
grep -qiE 'good|film|hello|world' "$work/log" "$work/err0" "$work/err2" && complain "texts in a log"
ask /metrics ""
runs=$(sed -n 's/^trefoil_runs_total //p' "$work/answer") answered=$(sed -n 's/^trefoil_request_seconds_count //p' "$work/answer")
[ "$runs" -lt "$answered" ] || complain "no run had two requests: $runs runs for $answered"

# A peer that goes while nothing happens is missed before anybody asks.
kill -KILL "${pid[2]}"
wait "${pid[2]}" 2>/dev/null
until_health 10 503
start 2 --serve --timeout 5
until_health 30 200
stop_gateway
for n in 0 2; do
    kill -0 "${pid[n]}" 2>/dev/null || complain "party $n went with the gateway: $(cat "$work/err$n")"
    kill -KILL "${pid[n]}"
    wait "${pid[n]}" 2>/dev/null
done

# Texts that are continued: a client that goes is given up at the next token; so is one whose parties go, with an error
# that its client understands.
both "$work/writer"
gateway "${apart[@]}" --queue 2
until_health 30 200
python3 "$here/../support/greedy.py" "$trefoil" "$work/writer" 12 8 >"$work/stories" || complain "no prompts"
python3 "$here/../support/load.py" "$url" 24 4 write "$work/stories" >"$work/load" 2>&1 || complain "the load: $(cat "$work/load")"
cat "$work/load"
ask /metrics ""
before=$(sed -n 's/^trefoil_tokens_total{kind="generated"} //p' "$work/answer")
for ((i = 0; i < 4; i++)); do # each goes when it has the first bytes, however fast tokens come
    curl -sN --max-time 30 "$url/v1/completions" -H "Content-Type: application/json" \
        -d '{"prompt":"a","max_tokens":60,"stream":true}' | head -c 20 >"$work/cut"
done
sleep 1
ask /metrics ""
grep -q '^trefoil_dropped_total [1-9]' "$work/answer" || complain "nobody was given up: $(grep dropped "$work/answer")"
after=$(sed -n 's/^trefoil_tokens_total{kind="generated"} //p' "$work/answer")
[ $((after - before)) -lt 200 ] || complain "texts of clients that went were written to their end: $before, $after"
curl -sN --max-time 30 "$url/v1/completions" -H "Content-Type: application/json" \
    -d '{"prompt":"a","max_tokens":60,"stream":true}' >"$work/stream" &
stream=$!
until_line 20 "$work/stream" '"text"' || complain "no stream"
kill -KILL "${pid[0]}"
wait "${pid[0]}" 2>/dev/null
wait $stream
tail -2 "$work/stream" | grep -q '"error":{"message":"The parties lost each other' || complain "a stream without parties: $(cat "$work/stream")"
grep -q DONE "$work/stream" && complain "a cut stream says it is whole"
until_health 20 503
start 0 --model "$work/writer" --serve --timeout 5
until_health 30 200
ask /v1/completions '{"prompt":"once upon a time","max_tokens":6}'
grep -q '"text":"wqoqoq"' "$work/answer" || complain "after coming back: $status $(cat "$work/answer")"

# More than the queue holds are told to come again.
for ((i = 0; i < 8; i++)); do
    curl -s -o /dev/null -D "$work/head$i" --max-time 300 "$url/v1/completions" -H "Content-Type: application/json" \
        -d '{"prompt":"hi","max_tokens":40,"temperature":0.'$((i + 1))'}' &
    clients[i]=$!
done
wait "${clients[@]}"
cat "$work"/head? >"$work/heads"
grep -q '^HTTP/1.1 429' "$work/heads" && grep -qi '^retry-after: 1' "$work/heads" || complain "nobody was told to come again: $(grep HTTP "$work/heads")"
[ "$(grep -cE '^HTTP/1.1 (200|429)' "$work/heads")" = 8 ] || complain "a full queue: $(grep HTTP "$work/heads")"
stop_gateway

# Under mpirun the rank of the data owner listens; and of a model from share files no party knows the weights.
for n in 0 2; do kill -KILL "${pid[n]}"; wait "${pid[n]}" 2>/dev/null; done
prefix=(mpirun -n 3)
gateway --model "$work/tiny"
prefix=()
ask /predict '{"inputs":"good film"}'
[ "$status" = 200 ] || complain "under mpirun: $status $(cat "$work/answer" "$work/log")"
kill -TERM "${pid[1]}"
await 20 1
pid=()
"$trefoil" share-model --model "$work/writer" --out "$work/shared" >/dev/null || complain "share-model"
for n in 0 2; do start $n --model-shares "$work/shared/party$n" --serve --timeout 5; done
gateway "${apart[@]}" --model-shares "$work/shared/party1"
until_health 30 200
ask /v1/completions '{"prompt":"once upon a time","max_tokens":6}'
grep -q '"text":"wqoqoq"' "$work/answer" || complain "from share files: $status $(cat "$work/answer")"
stop_gateway

conclude
