#!/usr/bin/env bash
# The gateway's page in Chromium: it asks for the token, shows answers of each kind of model, a text while it grows, what
# each party saw, refusals; at each width all of it fits the window, and the browser has nothing to complain about.
#
#   run_gateway_page.sh BUILD [PICTURES]      also writes pictures into a directory
set -uo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
chromium=$(command -v chromium chromium-browser google-chrome | head -1)
[ -n "$chromium" ] || { echo "skipped: Chromium is not installed (Debian: chromium)"; exit 77; }
command -v node >/dev/null || { echo "skipped: node is not installed (Debian: nodejs)"; exit 77; }
trefoil=$1/trefoil pictures=${2:-}
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
make_tiny_model "$work/classifier"
cp -r "$work/classifier" "$work/embedding"
sed -i 's/BertForSequenceClassification/BertModel/; s/, *"id2label".*}}/}/' "$work/embedding/config.json"
make_tiny_decoder "$work/writer"
cp -r "$work/writer" "$work/chat"
echo "{% for message in messages %}{{ message['role'] }}. {{ message['content'] }}.{% endfor %} once" >"$work/chat/chat_template.jinja"
kinds=(classifier embedding chat writer)
if command -v python3 >/dev/null && python3 "$here/gateway_tokens.py" make "$work"; then
    cp -r "$work/masks" "$work/mask"
    kinds=(tokens answers masks mask "${kinds[@]}")
else
    echo "python3 is not installed: models with results for each token are left out"
fi
for kind in "${kinds[@]}"; do
    options=()
    case $kind in
    writer) export TREFOIL_TOKEN=a-token-of-twenty-bytes ;;
    masks) options=(--fill-mask --reveal logits) ;;
    mask) options=(--fill-mask) ;;
    esac
    gateway --local --model "$work/$kind" "${options[@]}"
    timeout 120 node "$here/../support/gateway_page.mjs" "$chromium" "$work/browser" "$url/" $kind $pictures || complain "$kind, status $?"
    stop_gateway
done

conclude
