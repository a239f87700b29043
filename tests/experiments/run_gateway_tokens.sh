#!/usr/bin/env bash
# The gateway with models that have results for each token: what infer finds, in the form of Hugging Face's pipelines.
set -uo pipefail
command -v curl >/dev/null || { echo "skipped: curl is not installed (Debian: curl)"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
python3 "$here/gateway_tokens.py" make "$work" || complain "no models"

# finds KIND TEXTS BODY [INFER OPTION...]: what the gateway answers at both paths is what infer finds in the texts.
finds() {
    local kind=$1 texts=$2 body=$3 path
    shift 3
    printf '%s\n' "$texts" >"$work/texts.jsonl"
    "$trefoil" infer --local --model "$work/$kind" --input "$work/texts.jsonl" --json "$@" >"$work/infer" || complain "infer $kind"
    for path in /predict /; do
        ask $path "$body"
        [ "$status" = 200 ] && python3 "$here/gateway_tokens.py" compare $kind "$work/answer" "$work/infer" ||
            complain "$kind $path: $status $(head -c 600 "$work/answer")"
    done
}
# refuses PATTERN BODY
refuses() {
    ask /predict "$2"
    [ "$status" = 422 ] && grep -q "$1.*\"error_type\":\"Validation\"" "$work/answer" || complain "$2: $status $(cat "$work/answer")"
}

text="Anna lives in New York and Berlin" other="who lives in Berlin?"
gateway --local --model "$work/tokens"
finds tokens "{\"text\": \"$text\"}" "{\"inputs\":\"$text\"}"
finds tokens "{\"text\": \"$text\"}" "{\"inputs\":\"$text\",\"parameters\":{\"aggregation_strategy\":\"none\",\"ignore_labels\":[\"O\"]}}" --aggregation none
finds tokens "{\"text\": \"$text\"}
{\"text\": \"$other\"}" "{\"inputs\":[\"$text\",\"$other\"],\"parameters\":{\"aggregation_strategy\":\"max\"}}" --aggregation max
ask /info ""
grep -q '"model_type":"token-classification"' "$work/answer" || complain "info: $(cat "$work/answer")"
refuses "must be 'none', 'simple'" '{"inputs":"x","parameters":{"aggregation_strategy":"best"}}'
refuses "can only be \[" '{"inputs":"x","parameters":{"ignore_labels":["PER"]}}'
refuses "Unrecognized request argument: top_k" '{"inputs":"x","parameters":{"top_k":3}}'
refuses "'inputs' must be a string" '{"inputs":{"question":"x","context":"y"}}'
ask /v1/embeddings '{"input":"x"}'
grep -q "finds entities in texts: ask /predict" "$work/answer" || complain "embeddings: $(cat "$work/answer")"
stop_gateway

gateway --local --model "$work/answers"
pair="{\"question\": \"$other\", \"context\": \"$text\"}"
finds answers "$pair" "{\"inputs\":$pair}"
finds answers "$pair
$pair" "{\"inputs\":[$pair,$pair]}"
ask / "{\"inputs\":$pair,\"parameters\":{\"top_k\":3}}"
[ "$(grep -o '"answer"' "$work/answer" | wc -l)" = 3 ] || complain "three answers: $(cat "$work/answer")"
refuses "'inputs' must be {" '{"inputs":"x"}'
refuses "Unrecognized request argument: text" '{"inputs":{"question":"x","text":"y"}}'
stop_gateway

gateway --local --model "$work/masks" --fill-mask --reveal logits
finds masks '{"text": "anna lives in [MASK]."}' '{"inputs":"anna lives in [MASK]."}' --fill-mask --reveal logits
stop_gateway
gateway --local --model "$work/masks" --fill-mask
ask /predict '{"inputs":"anna lives in [MASK]."}'
grep -q '^\[{"score":null,"token":[0-9]*,"token_str":"[a-z.,!?]*","sequence":"anna lives in [a-z.,!?]*."}\]$' "$work/answer" ||
    complain "a word alone: $(cat "$work/answer")"
refuses "Input 1 has no mask" '{"inputs":["anna lives in [MASK].","anna lives."]}'
refuses "can only be 1: the likeliest word alone" '{"inputs":"[MASK]","parameters":{"top_k":2}}'
stop_gateway
if grep -qiE 'anna|berlin|york' "$work/log"; then complain "texts in the log: $(cat "$work/log")"; fi

conclude
