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
for kind in classifier embedding writer; do
    [ $kind = writer ] && export TREFOIL_TOKEN=a-token-of-twenty-bytes
    gateway --local --model "$work/$kind"
    timeout 120 node "$here/../support/gateway_page.mjs" "$chromium" "$work/browser" "$url/" $kind $pictures || complain "$kind, status $?"
    stop_gateway
done

conclude
