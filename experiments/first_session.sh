#!/usr/bin/env bash
# A first session, from a clone of this repository to an answer from curl, as the README shows it.
#
#   experiments/first_session.sh           runs it and prints it as Markdown
#   experiments/first_session.sh --write   puts it into README.md
#   experiments/first_session.sh --check   compares it with README.md, but for all digits of numbers beyond the first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
trefoil=${TREFOIL:-build/trefoil} address=127.0.0.1:7380
session=$(mktemp)
trap '[ -z "${gateway:-}" ] || kill "$gateway" 2>/dev/null; rm -f "$session" "$session".*' EXIT

# show COMMAND [AS]: runs it; it and what it prints are in the session, it as the reader would type it.
show() {
    printf '$ %s\n' "${2:-$1}" >>"$session"
    eval "$1" >>"$session"
}

printf '```\n$ git clone URL trefoil && cd trefoil\n' >>"$session"
show '{ [ -x "$trefoil" ] || experiments/setup.sh build; } && experiments/setup.sh model' \
    'experiments/setup.sh build && experiments/setup.sh model'
show '"$trefoil" gateway --local --model .cache/minilm 2>"$session.log" & gateway=$!' \
    'build/trefoil gateway --local --model .cache/minilm &'
for _ in $(seq 300); do curl -sf $address/health >/dev/null && break || sleep 0.1; done
show "curl $address/rerank -d '{\"query\": \"I lost my card\", \"texts\": [\"exchange rates\", \"My card was stolen.\"]}' -s && echo" \
    "curl $address/rerank -d '{\"query\": \"I lost my card\", \"texts\": [\"exchange rates\", \"My card was stolen.\"]}'"
show 'kill $gateway && wait $gateway' 'kill %1'
gateway=
printf '```\n' >>"$session"

blur() { sed -E 's/([0-9]\.[0-9])[0-9]+/\1/g'; } # a truncation is off by up to one unit, not always the same
case "${1:-}" in
--write) sed -i -e "/^<!-- first session -->\$/,/^<!-- end -->\$/{//!d}" -e "/^<!-- first session -->\$/r $session" README.md ;;
--check) diff <(sed -n '/^<!-- first session -->$/,/^<!-- end -->$/p' README.md | sed '1d;$d' | blur) <(blur <"$session") ;;
*) cat "$session" ;;
esac
