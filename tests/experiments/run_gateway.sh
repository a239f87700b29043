#!/usr/bin/env bash
# The gateway as any client of HTTP sees it: answers of models that embed, classify, rank and continue texts, all three
# parties in one process; what is refused, and in which form; who gets in; nothing of a text in any log.
set -uo pipefail
command -v curl >/dev/null || { echo "skipped: curl is not installed (Debian: curl)"; exit 77; }
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
make_tiny_model "$work/tiny"
make_tiny_decoder "$work/writer"

# is PATTERN PATH BODY [CURL OPTION...]: the answer matches.
is() {
    local pattern=$1 path=$2 body=$3
    shift 3
    ask "$path" "$body" "$@"
    grep -qE -- "$pattern" "$work/answer" || complain "$path $body: no '$pattern' in $status $(head -c 600 "$work/answer")"
}
# refuses STATUS PATTERN PATH BODY [CURL OPTION...]
refuses() {
    local wanted=$1 pattern=$2
    shift 2
    ask "$@"
    [ "$status" = "$wanted" ] && grep -qE -- "$pattern" "$work/answer" ||
        complain "$1 ${2:0:80}: $status $(head -c 400 "$work/answer") in place of $wanted '$pattern'"
}

# A classifier. The same logits as infer's, as text-embeddings-inference's clients know them: probabilities, best first.
gateway --local --model "$work/tiny" --name sorter
"$trefoil" plain --model "$work/tiny" --text "good film" --json >"$work/plain"
label=$(sed 's/.*"label": "\([a-z]*\)".*/\1/' "$work/plain")
is '^\[\{"score":0\.[0-9]+,"label":"'"$label"'"\},\{"score":0\.[0-9]+,"label":"[a-z]+"\},' /predict '{"inputs":"good film"}'
cp "$work/answer" "$work/single"
is "^\[$(sed 's/[][]/\\&/g; s/0\.[0-9]*/0\\.[0-9]+/g' "$work/single"),\[" /classify '{"inputs":[["good film"],["hello","world"]]}'
is '"score":-?[0-9.e-]+,"label"' /predict '{"inputs":["hello","world"],"raw_scores":true}'
is '^\[\[\{"score":0\.[0-9]+,"label":"'"$label"'"\}\]\]$' / '{"inputs":"good film","parameters":{"top_k":1,"function_to_apply":"softmax"}}'
refuses 422 "'softmax', which this model was trained for" / '{"inputs":"good film","parameters":{"function_to_apply":"sigmoid"}}'
is '"status":"ready"' /health ""
is '"data":\[\{"id":"sorter","object":"model"' /v1/models ""
is '"id":"sorter"' /v1/models/sorter ""
is '"max_input_length":16,.*"labels":\["red","green","blue"\]' /info ""
refuses 404 'there are /v1/chat/completions' /v1/responses '{"input":"hello"}'
refuses 404 model_not_found /v1/models/other ""
refuses 400 'embeds|classifies texts' /v1/embeddings '{"input":"hello"}'
refuses 400 'classifies texts' /v1/completions '{"prompt":"hello"}'
refuses 422 '"error":".*3 labels.*","error_type":"Validation"' /rerank '{"query":"a","texts":["b"]}'
refuses 422 "'inputs' must be" /predict '{"inputs":["a","b","c"]}'
refuses 422 "'inputs' must be" /predict '{"inputs":[["a","b","c"]]}'
refuses 422 "'inputs' is missing" /predict '{}'
refuses 422 'Unrecognized request argument: input' /predict '{"input":"x"}'
refuses 422 'more than|tokens' /predict "{\"inputs\":\"$(printf 'good %.0s' {1..40})\"}"
is '"score"' /predict "{\"inputs\":\"$(printf 'good %.0s' {1..40})\",\"truncate\":true}"
refuses 422 'empty' /predict '{"inputs":""}'
refuses 422 'not JSON: line 1' /predict '{"inputs":'
refuses 422 'not a JSON object' /predict '[]'
refuses 404 unknown_url /v2/models ""
refuses 405 'not asked with GET but with POST' /predict ""
refuses 403 wrong_host /v1/models "" -H "Host: attacker.example"
refuses 403 'Pages of other sites' /predict '{"inputs":"x"}' -H "Origin: http://attacker.example"
head -c 5000000 /dev/zero | tr '\0' ' ' >"$work/large"
refuses 413 'more than 4194304' /predict "@$work/large"
refuses 413 'more than 4194304' /predict "@$work/large" -H "Transfer-Encoding: chunked"
is '^trefoil_requests_total\{path="/predict",status="200"\} 3$' /metrics ""
is '^trefoil_ready 1$' /metrics ""
before=$(grep '^trefoil_rounds_total' "$work/answer")
is '"score"' /predict '{"inputs":"hello"}'
is trefoil_up_seconds /metrics ""
[ "$before" != "$(grep '^trefoil_rounds_total' "$work/answer")" ] || complain "a request has no rounds: $before"
stop_gateway

# What the parties know of each other is all that a log may tell.
if grep -qiE 'good|film|hello|world' "$work/log"; then complain "texts in the log: $(cat "$work/log")"; fi
grep -qE 'info client 1: POST /predict, 1 text, 4 tokens, 0 generated: 200 after [0-9.]+ s' "$work/log" || complain "no line for a request: $(cat "$work/log")"

# What nobody should send.
gateway --local --model "$work/tiny"
memory() { grep VmHWM "/proc/${pid[1]}/status" | tr -dc 0-9; }
before=$(memory)
if command -v python3 >/dev/null; then python3 "$here/../support/hostile.py" "${url#http://}" /predict || complain "the above"; fi
grown=$(($(memory) - before))
[ $grown -le 60000 ] || grep -q 'lib[at]san' <<<"$(ldd "$trefoil")" || complain "hostile requests took $grown kB"
if grep -qiE 'good|film|hello' "$work/log"; then complain "texts in the log: $(cat "$work/log")"; fi
stop_gateway

# Embeddings, in both forms of numbers, and what they rank.
sed -i 's/BertForSequenceClassification/BertModel/; s/, *"id2label".*}}/}/' "$work/tiny/config.json"
gateway --local --model "$work/tiny"
is '"object":"list","data":\[\{"object":"embedding","index":0,"embedding":\[(-?[0-9.e-]+,){7}-?[0-9.e-]+\]\},\{"object":"embedding","index":1,.*"model":"tiny","usage":\{"prompt_tokens":[0-9]+,"total_tokens":[0-9]+\}' \
    /v1/embeddings '{"model":"tiny","input":["good film","hello"],"user":"me"}'
is '"embedding":\[(-?[0-9.e-]+,){3}-?[0-9.e-]+\]' /v1/embeddings '{"input":"good film","dimensions":4}'
is '"embedding":"[A-Za-z0-9+/]{43}="' /v1/embeddings '{"input":"good film","encoding_format":"base64"}'
is '^\[\[(-?[0-9.e-]+,){7}-?[0-9.e-]+\]\]$' /embed '{"inputs":"good film"}'
is '^\[\{"index":1,"score":[0-9.]+,"text":"good film"\},\{"index":[02],' /rerank '{"query":"good film","texts":["hello","good film","bad"],"return_text":true}'
is '^\[(1\.0|0\.9999[0-9]*),-?0\.[0-9]+\]$' / '{"inputs":{"source_sentence":"good film","sentences":["good film","hello"]}}'
is '^\[-?0\.[0-9]+\]$' /similarity '{"inputs":{"source_sentence":"good film","sentences":["hello"]},"parameters":{"truncate":true}}'
refuses 422 "'inputs' must be {" /similarity '{"inputs":["good film","hello"]}'
refuses 422 "Unrecognized request argument: sentence" /similarity '{"inputs":{"source_sentence":"good film","sentence":["hello"]}}'
refuses 400 tokens_not_supported /v1/embeddings '{"input":[5,6]}'
refuses 400 tokens_not_supported /v1/embeddings '{"input":[[5,6]]}'
refuses 400 '"param":"dimensions"' /v1/embeddings '{"input":"a","dimensions":9}'
refuses 400 empty_string /v1/embeddings '{"input":["a",""]}'
refuses 404 model_not_found /v1/embeddings '{"input":"a","model":"text-embedding-3-small"}'
refuses 400 encoding_format /v1/embeddings '{"input":"a","encoding_format":"hex"}'
stop_gateway

# Texts that are continued, at once and as they grow.
gateway --local --model "$work/writer"
is '"object":"text_completion",.*"choices":\[\{"index":0,"logprobs":null,"finish_reason":"length","text":"wqoqoq"\}\],"usage":\{"prompt_tokens":16,"total_tokens":22,"completion_tokens":6\}' \
    /v1/completions '{"prompt":"once upon a time","max_tokens":6}'
is '"finish_reason":"stop","text":"wq"' /v1/completions '{"prompt":"once upon a time","max_tokens":6,"stop":["oq"]}'
is '"index":1,.*"text":"wqoq"' /v1/completions '{"prompt":["hi","once upon a time"],"max_tokens":4,"temperature":0,"seed":3}'
for narrow in 0 1e-9 0.03; do # the likeliest token alone, however little is asked for
    is '"text":"wqoqoq"' /v1/completions '{"prompt":"once upon a time","max_tokens":6,"temperature":1,"top_p":'$narrow'}'
done
ask /v1/completions '{"prompt":"once upon a time","max_tokens":6,"stream":true,"stream_options":{"include_usage":true}}'
[ "$(grep -o '"text":"[a-z]*"' "$work/answer" | cut -d'"' -f4 | tr -d '\n')" = wqoqoq ] || complain "a stream: $(cat "$work/answer")"
[ "$(grep -c '^data: {' "$work/answer")" -ge 3 ] && tail -2 "$work/answer" | grep -q '^data: \[DONE\]$' || complain "events: $(cat "$work/answer")"
grep -q '"choices":\[\],"usage":{"prompt_tokens":16,"total_tokens":22,"completion_tokens":6},"trefoil":{"request":7' "$work/answer" || complain "usage: $(cat "$work/answer")"
refuses 400 'no template for conversations' /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}]}'
refuses 400 'do not fit a context of 64' /v1/completions '{"prompt":"hi","max_tokens":63}'
refuses 400 'do not fit a context of 64' /v1/completions '{"prompt":"hi","max_tokens":63,"stream":true}'
refuses 400 "'logprobs' is not supported" /v1/completions '{"prompt":"hi","logprobs":1}'
refuses 400 "65 prompts, each continued 16 times, are more than 1024" /v1/completions \
    "{\"prompt\":[\"hi\"$(printf ',"hi"%.0s' {1..64})],\"n\":16,\"max_tokens\":1}"
refuses 400 "'best_of' must be" /v1/completions '{"prompt":"hi","best_of":3}'
refuses 400 "'max_tokens' must be" /v1/completions '{"prompt":"hi","max_tokens":0}'
refuses 400 "'seed' is not supported" /v1/completions '{"prompt":"hi","seed":1,"temperature":1}'
refuses 400 "'stream_options'" /v1/completions '{"prompt":"hi","stream_options":{}}'
refuses 400 "continues texts" /v1/embeddings '{"input":"hi"}'
stop_gateway
echo "{% for message in messages %}{{ message['role'] }}. {{ message['content'] }}.{% endfor %} once" >"$work/writer/chat_template.jinja"
gateway --local --model "$work/writer"
is '"object":"chat.completion",.*"message":\{"role":"assistant","content":"[a-z. ]*","refusal":null\}\}\],"usage":\{"prompt_tokens":14,' \
    /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}],"max_completion_tokens":6}'
ask /v1/chat/completions '{"messages":[{"role":"developer","content":"so"},{"role":"user","content":[{"type":"text","text":"hi"}]}],"max_tokens":3,"stream":true}'
grep -q '"delta":{"role":"assistant","content":""}' "$work/answer" && tail -4 "$work/answer" | grep -q '"delta":{},\?.*\|"finish_reason":"length"' || complain "a conversation's stream: $(cat "$work/answer")"
refuses 400 "The role of a message" /v1/chat/completions '{"messages":[{"role":"tool","content":"hi"}]}'
refuses 400 "'tools' is not supported" /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}],"tools":[{}]}'
refuses 400 "'response_format' can only be 'text'" /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}}'
refuses 400 "must be of the type 'text'" /v1/chat/completions '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}'
stop_gateway

# Proposals change nothing but the rounds of a prompt that is alone.
rounds_of() { # rounds_of BODY [GATEWAY OPTION...]
    local body=$1
    shift
    gateway --local --model "$work/writer" "$@"
    ask /v1/completions "$body" -D "$work/headers"
    stop_gateway
    rounds=$(grep -oE '"rounds":[0-9]+' "$work/headers" | cut -d: -f2)
}
rm "$work/writer/chat_template.jinja"
long='{"prompt":"once upon a time","max_tokens":12}'
rounds_of "$long"
text=$(grep -o '"text":"[a-z. ]*"' "$work/answer") without=$rounds
rounds_of "$long" --draft ngram --draft-tokens 3
[ "$(grep -o '"text":"[a-z. ]*"' "$work/answer")" = "$text" ] || complain "proposals change a text: $text, $(cat "$work/answer")"
[ "${rounds:-0}" -gt 0 ] && [ "$rounds" -lt "$without" ] || complain "proposals save no rounds: $rounds of $without"
rounds_of '{"prompt":["hi","once upon a time"],"max_tokens":4}' --draft ngram
grep -q '"index":1,.*"text":"wqoq"' "$work/answer" || complain "two prompts with --draft: $(cat "$work/answer")"

# The data owner may learn all logits, and draws by itself.
gateway --local --model "$work/writer" --reveal logits
is '"text":"wqoqoq"' /v1/completions '{"prompt":"once upon a time","max_tokens":6}'
is '"index":1,.*"text":"[a-z. ]{6}"' /v1/completions '{"prompt":"once upon a time","max_tokens":6,"temperature":2,"top_p":0.5,"n":2}'
ask /health "" -I
[ "$status" = 200 ] || complain "HEAD: $status"
stop_gateway

# Who gets in: with a token whoever brings it, from other hosts only so and by TLS.
echo "a secret of some length" >"$work/token"
"$trefoil" gateway --local --model "$work/tiny" --http 127.0.0.1:0 --token "$work/token" 2>"$work/log" && complain "a token that others may read"
grep -q "chmod 600" "$work/log" || complain "a token that others may read: $(cat "$work/log")"
chmod 600 "$work/token"
"$trefoil" gateway --local --model "$work/tiny" --http 0.0.0.0:0 --token "$work/token" 2>"$work/log" && complain "other hosts without TLS"
grep -q "needs --token and --tls" "$work/log" || complain "other hosts without TLS: $(cat "$work/log")"
TREFOIL_TOKEN=short "$trefoil" gateway --local --model "$work/tiny" --http 127.0.0.1:0 2>"$work/log" && complain "a short token"
grep -q "could be guessed" "$work/log" || complain "a short token: $(cat "$work/log")"
"$trefoil" gateway --model "$work/tiny" 2>"$work/log" && complain "no parties"
grep -q "three parties are needed" "$work/log" || complain "no parties: $(cat "$work/log")"
# Settings that do not suit the model end it, rather than fill its log.
while read -r model options; do
    # shellcheck disable=SC2086 # several options
    timeout 20 "$trefoil" gateway --local --model "$work/$model" --http 127.0.0.1:0 $options 2>"$work/log"
    [ $? = 1 ] && [ "$(grep -c ' error ' "$work/log")" = 1 ] || complain "$model $options: $(cat "$work/log")"
done <<END
tiny --max-length 17
writer --context 65
writer --pad-to 8
writer --draft $work/absent
END
mkdir "$work/tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/tls/key.pem" -out "$work/tls/cert.pem" 2>/dev/null
chmod 600 "$work/tls/key.pem"
gateway --local --model "$work/tiny" --http 0.0.0.0:0 --token "$work/token" --tls "$work/tls"
url=https://localhost:${url##*:}
secure=(--cacert "$work/tls/cert.pem")
refuses 401 'invalid_api_key.*' /v1/models "" "${secure[@]}"
refuses 401 'not the one' /v1/models "" "${secure[@]}" -H "Authorization: Bearer a secret of some lengtH"
refuses 401 'invalid_api_key' /v1/embeddings '{"input":"a"}' "${secure[@]}"
is '"object":"list"' /v1/embeddings '{"input":"hello"}' "${secure[@]}" -H "Authorization: Bearer a secret of some length"
is ready /health "" "${secure[@]}"
is '<title>' / "" "${secure[@]}"
stop_gateway
grep -q "secret of some" "$work/log" && complain "the token is in the log"

conclude
