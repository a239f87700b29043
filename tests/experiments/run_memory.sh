#!/usr/bin/env bash
# What would need more memory than there is, is said before anything runs, by every command that computes in private, with
# what would do.
set -uo pipefail
command -v curl >/dev/null || { echo "skipped: curl is not installed (Debian: curl)"; exit 77; }
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
ldd "$trefoil" | grep -q 'lib[at]san' && { echo "skipped: sanitizers take all addresses for themselves"; exit 77; }
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/gateway.sh
. "$here/../support/gateway.sh"
make_tiny_model "$work/tiny"
cp -r "$work/tiny" "$work/embedding"
sed -i 's/BertForSequenceClassification/BertModel/; s/, *"id2label".*}}/}/' "$work/embedding/config.json"
make_tiny_decoder "$work/writer"
for ((i = 0; i < 4096; i++)); do echo "good film hello world it was a bad film"; done >"$work/many.txt"
cat "$work"/many.txt{,,,} >"$work/more.txt"
{ printf 'label\ttext\n'; sed 's/^/red\t/' "$work/many.txt"; } >"$work/many.tsv"

# refuses PATTERN ARGUMENT...: with `most` kB of memory the command refuses in these words.
most=200000
refuses() {
    local pattern=$1
    shift
    (ulimit -v $most && timeout 60 "$trefoil" "$@") >"$work/out" 2>"$work/err" && complain "it runs: $*"
    grep -qE "$pattern, and .* are free: try --batch [0-9]" "$work/err" || complain "$*: $(head -c 500 "$work/err")"
}
texts='4096 texts of [0-9]+ tokens need .* for 3 parties here'
refuses "$texts" infer --local --model "$work/tiny" --input "$work/many.txt" --batch 4096
refuses "$texts" eval --local --model "$work/tiny" --data "$work/many.tsv" --out "$work/results.jsonl" --batch 4096
refuses "$texts" embed --local --model "$work/embedding" --input "$work/many.txt" --out "$work/vectors.npy" --batch 4096
refuses "${texts/4096/4097}" similarity --local --model "$work/embedding" --input "$work/many.txt" --query hello --batch 8192
refuses '4096 prompts of [0-9]+ tokens need .*' generate --local --model "$work/writer" --input "$work/many.txt" --batch 4096 --max-tokens 2

# What is measured has no smaller batch: it is too much, also where its inputs alone would be, and where their product is
# no number of a machine.
for what in "--op gelu=exact --shape 100000000" "--op gelu=exact --shape 1000000" "--step relu --n 4294967295" \
    "--step relu --n 1000000" "--matmul 1x1x4294967296" "--matmul 4294967296x4294967296x4294967296" \
    "--arch bert-tiny --seq 512 --batch 8"; do
    # shellcheck disable=SC2086 # the words of a command
    (ulimit -v $most && timeout 60 "$trefoil" bench --local $what) >"$work/out" 2>"$work/err" && complain "it is measured: $what"
    grep -qE '^trefoil: --(n|shape|matmul|batch and --seq): [0-9.]+ .B are needed for 3 parties here, and .* are free$' "$work/err" ||
        complain "bench $what: $(head -c 500 "$work/err")"
done

# A party that is started by itself, before it calls the others.
make_parties
sed -i 's/\["model owner"\]/["model owner","data owner"]/; s/\["data owner"\]/[]/' "$work/parties.json"
most=90000
refuses '16384 texts of [0-9]+ tokens need [0-9.]+ MB' party --id 0 --parties "$work/parties.json" --identity "$work/id0" \
    --model "$work/tiny" --input "$work/more.txt" --batch 16384 --wait 3

# The gateway lessens runs of several requests, refuses one that is too large by itself, and goes on.
body() { printf '{"inputs":['; for ((i = 1; i < $1; i++)); do printf '["good film hello world it was a bad film"],'; done; printf '["bad film"]]}'; }
body 1024 >"$work/body"
gateway --local --model "$work/tiny" --batch 1024
taken=$(awk '/^VmSize/ { print $2 }' "/proc/${pid[1]}/status")
prlimit --pid "${pid[1]}" --as=$(((taken + 45000) * 1024)) # room for some 400 texts
ask /predict "@$work/body"
[ "$status" = 422 ] && grep -q '1024 texts of [0-9]* tokens need .*, and .* are free' "$work/answer" || complain "too many: $status $(head -c 300 "$work/answer")"
body 128 >"$work/body"
ask /predict "@$work/body"
[ "$status" = 200 ] || complain "few enough: $status $(head -c 300 "$work/answer")"
stop_gateway

conclude
