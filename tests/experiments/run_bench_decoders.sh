#!/usr/bin/env bash
# trefoil bench of decoders with random weights: what a prompt and a token move is what cost forecasts of them, with
# weights from the owner and from share files that are read each time.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
small=(--arch stories15m --layers 1 --seq 20)
"$trefoil" cost "${small[@]}" --tokens 2 --json >"$work/cost" || complain cost
"$trefoil" share-model --arch stories15m --layers 1 --out "$work/shares" >"$work/out" || complain "share-model"
"$trefoil" bench --local "${small[@]}" --runs 2 --json >"$work/prompt" || complain "a prompt"
"$trefoil" bench --local "${small[@]}" --tokens 2 --runs 2 --json >"$work/token" || complain "a token"
"$trefoil" bench --local "${small[@]}" --tokens 2 --model-shares "$work/shares" --stream --json >"$work/streamed" ||
    complain "a token, streamed"
"$trefoil" cost "${small[@]}" --tokens 5 --json >"$work/cost5" || complain "cost --tokens 5"
"$trefoil" cost "${small[@]}" --tokens 5 --draft-tokens 3 --json >"$work/cost_drafted" || complain "cost --draft-tokens"
"$trefoil" bench --local "${small[@]}" --tokens 5 --json >"$work/tokens" || complain "four tokens"
"$trefoil" bench --local "${small[@]}" --tokens 5 --draft-tokens 3 --json >"$work/drafted" || complain "four tokens at once"
python3 - "$work" <<'PY' || failures=$((failures + 1))
import json, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}"))
cost = read("cost")
# the word that there is a next token takes two bytes and a round
for name, part in [("prompt", "prefill"), ("token", "per_token"), ("streamed", "per_token")]:
    found = read(name)
    assert found["bytes"]["total"] + 2 == cost[part]["bytes"], (name, found, cost)
    assert found["rounds"] + 1 == cost[part]["rounds"], (name, found, cost)
for name, cost, passes in [("tokens", read("cost5"), 4), ("drafted", read("cost_drafted"), 1)]:
    found = read(name)
    assert found["bytes"]["total"] + 2 * passes == cost["bytes"]["total"] - cost["prefill"]["bytes"], (name, found, cost)
    assert found["rounds"] + passes == cost["rounds"] - cost["prefill"]["rounds"], (name, found, cost)
    assert found["elements"] == 4, found
PY
"$trefoil" bench --local --arch stories15m --layers 1 --seq 300 2>"$work/err" && complain "a prompt beyond the positions was accepted"
grep -q "256 positions" "$work/err" || complain "too long: $(cat "$work/err")"
for option in --tokens --draft-tokens; do
    "$trefoil" bench --local --arch bert-tiny --seq 8 $option 3 2>"$work/err" && complain "$option of an encoder is accepted"
    grep -qx "trefoil: --tokens and --draft-tokens: the model generates no text" "$work/err" || complain "$option: $(cat "$work/err")"
done
conclude
