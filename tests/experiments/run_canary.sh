#!/usr/bin/env bash
# What is wrong with the data owner's or model owner's own files is told to nobody else: a canary in every kind of bad
# input shows up in what its owner prints, and neither in what the others print nor in what crosses unencrypted links.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

cc -shared -fPIC -o "$work/wire_log.so" "$here/../support/wire_log.c" -ldl || exit 1
model=$work/tiny
make_tiny_model "$model"

# together ARGUMENT...: all three parties over TCP without encryption; what each prints in out0 to out2, the wire in wire*.
together() {
    rm -f "$work"/out? "$work"/wire?
    work=$work trefoil=$trefoil timeout 120 mpirun -n 3 --mca pml ob1 --mca btl tcp,self bash -c '
        n=$OMPI_COMM_WORLD_RANK
        WIRE_LOG=$work/wire$n LD_PRELOAD=$work/wire_log.so TREFOIL_DEBUG=1 \
            "$trefoil" "$@" --plaintext-links >"$work/out$n" 2>&1' party "$@" >/dev/null 2>&1
}

# secret OWNER WHAT CANARY ARGUMENT...: the command fails; only the owner says the canary; of one job the
# others say in a line which party failed, and nothing else.
secret() {
    local owner=$1 what=$2 canary=$3 n failed
    shift 3
    together "$@" && complain "$what: no failure"
    grep -q "$canary" "$work/out$owner" || complain "$what: its owner does not say $canary: $(cat "$work/out$owner")"
    [ -s "$work/wire$owner" ] || complain "$what: nothing was sent"
    grep -qa "could not read its own input" "$work"/wire? || complain "$what: the wire does not show the constant"
    for n in 0 1 2; do
        ! grep -qa "$canary" "$work/wire$n" || complain "$what: the canary crossed the link of party $n"
        [ "$n" = "$owner" ] && continue
        ! grep -q "$canary" "$work/out$n" || complain "$what: party $n says the canary: $(cat "$work/out$n")"
        failed="trefoil: party $n: party $owner failed: it could not read its own input"
        ! grep -v -e "warning: --plaintext-links" -e "^$failed\$" "$work/out$n" >"$work/more" ||
            complain "$what: party $n says more than its owner: $(cat "$work/more")"
    done
}

infer=(infer --model "$model" --input)
echo 'canary is not JSON' >"$work/canary.jsonl"
secret 1 "a line that is not JSON" canary "${infer[@]}" "$work/canary.jsonl"
echo '{"canary": "hello"}' >"$work/shape-canary.jsonl"
secret 1 "an object without a text" canary "${infer[@]}" "$work/shape-canary.jsonl"
printf 'canary\tb\nhello\tworld\n' >"$work/header-canary.tsv"
secret 1 "a table without a column of texts" canary "${infer[@]}" "$work/header-canary.tsv"
printf 'text\tlabel\thint\ncanary\n' >"$work/short-canary.tsv"
secret 1 "a row that is too short" canary "${infer[@]}" "$work/short-canary.tsv"
printf 'canary \xff\xfe\n' >"$work/utf8-canary.txt"
secret 1 "invalid UTF-8" canary "${infer[@]}" "$work/utf8-canary.txt"
printf '%s\n' "$(printf 'canary %.0s' $(seq 600))" >"$work/long-canary.txt"
secret 1 "a text that is too long" canary "${infer[@]}" "$work/long-canary.txt"
secret 1 "a file that is not there" canary "${infer[@]}" "$work/missing-canary.txt"

evaluate=(eval --model "$model" --out "$work/results" --data)
printf 'text\tlabel\nhello\tcanary\n' >"$work/label.tsv"
secret 1 "a label that the model does not have" canary "${evaluate[@]}" "$work/label.tsv"
printf 'text\tlabel\nhello\t\n' >"$work/empty-canary.tsv"
secret 1 "a text without a label" canary "${evaluate[@]}" "$work/empty-canary.tsv"
printf 'text\tlabel\nhello\tred\n' >"$work/good.tsv"
secret 1 "a column that is not there" canary "${evaluate[@]}" "$work/good.tsv" --columns text=canary,label=label

head -c 8 "$model/model.safetensors" >"$work/head"
printf '{"canary": not JSON}' | cat "$work/head" - >"$model/model.safetensors"
printf 'hello\n' >"$work/good.txt"
secret 0 "weights that are no safetensors" "model.safetensors" "${infer[@]}" "$work/good.txt"

conclude
