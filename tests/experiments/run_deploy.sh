#!/usr/bin/env bash
# The examples of services: systemd takes the units, their command lines run as they stand, and the container's file
# speaks of what there is. Neither a running systemd nor an image is needed, so that starting them is not tried.
set -uo pipefail
trefoil=$(cd "$1" && pwd)/trefoil
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../../experiments/deploy
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
work=$(mktemp -d)
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
make_tiny_model "$work/tiny"
make_parties || exit 1

# command_of UNIT: its ExecStart with this build's program and this test's directories.
command_of() {
    sed -n 's/^ExecStart=//p' "$deploy/$1" | sed -e "s#/usr/local/bin/trefoil#$trefoil#" -e "s#/etc/trefoil/key#$work/id\$ID#" \
        -e "s#/etc/trefoil/#$work/#"
}
for unit in trefoil-party trefoil-gateway; do
    mkdir "$work/$unit"
    if command -v systemd-analyze >/dev/null; then
        sed "s#/usr/local/bin/trefoil#$trefoil#" "$deploy/$unit.service" >"$work/$unit.service"
        systemd-analyze verify --man=no "$work/$unit.service" >"$work/said" 2>&1
        grep "$unit" "$work/said" && complain "systemd does not take $unit.service"
    else
        echo "systemd-analyze is not installed: the units are not verified (Debian: systemd)"
    fi
done

serve() { # serve N UNIT OPTIONS: party N by its unit's command line
    ID=$1 RUNTIME_DIRECTORY=$work/$2 OPTIONS=$3 bash -c "exec $(command_of "$2.service")" >"$work/out$1" 2>"$work/err$1" </dev/null &
    pid[$1]=$!
}
mkdir "$work/helper"
serve 0 trefoil-party "--model $work/tiny"
start 2 --serve
port=$((20000 + RANDOM % 12000))
serve 1 trefoil-gateway "--http 127.0.0.1:$port"
for unit in trefoil-party trefoil-gateway; do
    for ((i = 0; i < 400; i++)); do
        [ -e "$work/$unit/ready" ] && break
        sleep 0.05
    done
    [ -e "$work/$unit/ready" ] || complain "$unit is not ready: $(cat "$work"/err?)"
done
exec 5<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /health HTTP/1.0\r\n\r\n' >&5
head -1 <&5 | grep -q 200 || complain "the gateway is not healthy"
exec 5>&-
for n in 1 0 2; do
    kill -TERM "${pid[n]}"
    await 20 $n
    [ "$status" = 0 ] || complain "party $n ends with $status: $(tail -2 "$work/err$n")"
done
[ -e "$work/trefoil-party/ready" ] && complain "the file of readiness outlives the party"

for package in $(sed -n '/^FROM debian:12-slim AS/,/^COPY/p' "$deploy/Containerfile" | tr -s ' \\' '\n' | grep -- '-dev$\|^gcc$\|^cmake$'); do
    grep -q -- "$package" "$here/../../experiments/setup.sh" || complain "the container builds with $package, of which the set-up knows nothing"
done
missing=$(sed -n '/^missing_for_build/,/^}/p' "$here/../../experiments/setup.sh" | grep -o 'lib[a-z0-9-]*-dev' | sort -u | while read -r package; do
    [ "$package" = libcriterion-dev ] || grep -q -- "$package" "$deploy/Containerfile" || echo "$package"
done)
[ -z "$missing" ] || complain "the container lacks $missing"
[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
