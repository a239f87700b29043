#!/usr/bin/env bash
# The gateway as OpenAI's own client sees it: embeddings in the form that it asks for, completions, conversations, streams,
# errors as its classes, with a token.
set -uo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
client=$here/../../.cache/openai
command -v node >/dev/null || { echo "skipped: node is not installed (Debian: nodejs)"; exit 77; }
[ -d "$client" ] || { echo "skipped: OpenAI's client is not there (experiments/setup.sh client)"; exit 77; }
trefoil=$1/trefoil
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
make_tiny_model "$work/tiny"
sed -i 's/BertForSequenceClassification/BertModel/; s/, *"id2label".*}}/}/' "$work/tiny/config.json"
make_tiny_decoder "$work/writer"
echo "{% for message in messages %}{{ message['role'] }}. {{ message['content'] }}.{% endfor %} once" >"$work/writer/chat_template.jinja"
export TREFOIL_TOKEN=a-token-of-twenty-bytes
for kind in embedding writer; do
    model=$work/writer
    [ $kind = writer ] || model=$work/tiny
    gateway --local --model "$model" --name "$kind"
    timeout 120 node "$here/../support/client.mjs" "$(realpath "$client")" "$url" $kind || complain "$kind, status $?: $(tail -5 "$work/log")"
    stop_gateway
done

conclude
