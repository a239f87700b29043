#!/usr/bin/env bash
# Parties that are started separately, with owners who are none of them: a model from share files, that no party knows, for
# one request and with --serve; texts from share files as well; and what does not belong together.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"

labels() { grep -o '"label": "[a-z]*"' "$@"; }
setup() { sed 's/.*"setup": \([0-9]*\).*/\1/' "$1"; }

# together PATTERN: waits for all three, which succeed, or with a pattern fail with it in the reason of each.
together() {
    local n
    for n in 0 1 2; do
        await 40 $n
        if [ -z "$1" ]; then
            [ "$status" = 0 ] || complain "party $n ended with $status: $(cat "$work/err$n")"
        else
            [ "$status" = 1 ] && grep -qE "^trefoil: .*($1)" "$work/err$n" || complain "party $n, status $status: no '$1' in $(cat "$work/err$n")"
            [ ! -s "$work/out$n" ] || complain "party $n printed a result where '$1' was expected"
        fi
        pid[n]=
    done
}

# refused PATTERN N ARGUMENT...: party N finds by itself what is wrong.
refused() {
    local pattern=$1 n=$2
    shift 2
    start "$n" "$@" --wait 0.1
    await 20 "$n"
    [ "$status" != 0 ] && grep -qE "^trefoil: .*$pattern" "$work/err$n" || complain "no '$pattern' in: $(cat "$work/err$n")"
    pid[n]=
}

model=$work/tiny
make_tiny_model "$model"
make_parties || exit 1
mv "$work/parties.json" "$work/owners.json"
sed 's/"model owner"//' "$work/owners.json" >"$work/no_model_owner.json"
sed 's/"data owner"//' "$work/no_model_owner.json" >"$work/no_owner.json"
sed 's/"data owner"//' "$work/owners.json" >"$work/no_data_owner.json"
printf 'hello world\na good good film . it was good !\nworld\n' >"$work/texts.txt"
"$trefoil" plain --model "$model" --input "$work/texts.txt" --json >"$work/plain"
"$trefoil" share-model --model "$model" --out "$work/shared" >"$work/out" || complain "share-model"
"$trefoil" share-input --model "$model" --input "$work/texts.txt" --out "$work/texts" >"$work/out" || complain "share-input"

# A model that no party knows: each has its own part of it alone, and no weight travels.
cp "$work/no_model_owner.json" "$work/parties.json"
for options in "" "--stream"; do
    for n in 0 2; do
        # shellcheck disable=SC2086
        start $n --model-shares "$work/shared/party$n" $options
    done
    # shellcheck disable=SC2086
    start 1 --model-shares "$work/shared/party1" --input "$work/texts.txt" --json $options
    together ""
    [ "$(labels "$work/out1")" = "$(labels "$work/plain")" ] || complain "--model-shares $options: $(cat "$work/out1")"
    [ ! -s "$work/out0" ] && [ ! -s "$work/out2" ] || complain "others than the data owner print results"
done
from_files=$(setup "$work/out1")

# The file may name a model owner, who then has no other part than the helper. Its weights would travel, were they its own.
cp "$work/owners.json" "$work/parties.json"
start 0 --model "$model" && start 2
start 1 --input "$work/texts.txt" --json
together ""
weights=$((tiny_bytes / 4))
[ $(($(setup "$work/out1") - from_files)) -gt $((2 * weights)) ] ||
    complain "set-up takes $from_files B from files and $(setup "$work/out1") B from the owner of $weights weights"

# Those that stay answer one data owner after another.
start 0 --model-shares "$work/shared" --serve --timeout 3
start 2 --model-shares "$work/shared" --serve --timeout 3 --stream
ask() { "$trefoil" party --id 1 --parties "$work/parties.json" --identity "$work/id1" --wait 20 "$@" 2>"$work/err1"; }
for i in 1 2; do
    ask --model-shares "$work/shared" --serve --json --input "$work/texts.txt" >"$work/answers" || complain "data owner $i: $(cat "$work/err1")"
    [ "$(labels "$work/answers")" = "$(labels "$work/plain")" ] || complain "data owner $i: $(cat "$work/answers")"
done
# One that does not know of the shares, and one with those of another sharing, are refused and do no harm.
ask --text hello >"$work/answer" && complain "a data owner without shares was answered"
grep -q "differ in who owns what" "$work/err1" || complain "without shares: $(cat "$work/err1")"
"$trefoil" share-model --model "$model" --out "$work/again" >"$work/out"
ask --model-shares "$work/again" --text hello >"$work/answer" && complain "another sharing was accepted"
grep -q "differ in the sharing of the model" "$work/err1" || complain "another sharing: $(cat "$work/err1")"
ask --model-shares "$work/shared" --text hello --json >"$work/answer" && grep -q '"logits"' "$work/answer" || complain "after refusals: $(cat "$work/err1")"
for n in 0 2; do
    kill -TERM "${pid[n]}"
    await 10 $n
    [ "$status" = 0 ] || complain "party $n after SIGTERM: $status"
    pid[n]=
done

# Texts that no party knows either, with a model of the same kind, and with one that party 0 owns and tells the others about.
for owner in no_owner no_data_owner; do
    cp "$work/$owner.json" "$work/parties.json"
    for n in 0 1 2; do
        brings=(--model-shares "$work/shared")
        [ $owner = no_owner ] || brings=()
        [ $owner$n != no_data_owner0 ] || brings=(--model "$model")
        start $n "${brings[@]}" --input-shares "$work/texts/party$n" --result-shares "$work/$owner" --json
    done
    together ""
    grep -q '"results": \[\]' "$work/out0" && [ ! -s "$work/out1" ] && [ ! -s "$work/out2" ] || complain "$owner: $(cat "$work"/out?)"
    for pair in "0 1" "1 2" "2 0"; do
        "$trefoil" reveal --model "$model" --result-shares "$work/$owner/party${pair% *}" \
            --result-shares "$work/$owner/party${pair#* }" --json >"$work/out" || complain "$owner: reveal $pair"
        [ "$(labels "$work/out")" = "$(labels "$work/plain")" ] || complain "$owner: reveal $pair: $(cat "$work/out")"
    done
done

# What does not belong together: parts of two sharings; a party that brings the model in clear, where others have shares.
cp "$work/owners.json" "$work/parties.json"
start 0 --model-shares "$work/again" && start 2 --model-shares "$work/shared"
start 1 --model-shares "$work/shared" --text hello
together "differ in the sharing of the model"
start 0 --model "$model" && start 2 --model-shares "$work/shared"
start 1 --model-shares "$work/shared" --text hello
together "differ in who owns what"
refused "party 0, where those of party 1" 1 --model-shares "$work/shared/party0" --text hello
refused "no --public-weights|are secret" 0 --model-shares "$work/shared" --public-weights --model "$model"
refused "stream needs --model-shares" 2 --stream
refused "serve answers a data owner's requests" 2 --serve --input-shares "$work/texts" --result-shares "$work/results"
refused "needs one --result-shares" 2 --input-shares "$work/texts"
refused "do not go together" 1 --input-shares "$work/texts" --result-shares "$work/results" --text hello
cp "$work/no_model_owner.json" "$work/parties.json"
refused "no party has the role \"model owner\"" 0 --model "$model"
cp "$work/no_owner.json" "$work/parties.json"
refused "no party has the role \"data owner\"" 0 --model-shares "$work/shared"

# Calibrated ranges reach all parties from the model owner, or with their shares, unless they are withheld. They save
# bytes where there are many elements; where there are few, narrow comparisons take bytes to save rounds.
cp "$work/owners.json" "$work/parties.json"
cp -r "$model" "$work/calibrated"
sed 's/^/0\t/; 1s/^/label\ttext\n/' "$work/texts.txt" >"$work/texts.tsv"
"$trefoil" calibrate --model "$work/calibrated" --data "$work/texts.tsv" >"$work/out" || complain "calibrate"
for ((i = 0; i < 200; i++)); do cat "$work/texts.txt"; done >"$work/many.txt"
"$trefoil" plain --model "$model" --input "$work/many.txt" --json >"$work/plain_many"
online() { echo $(($(sed 's/.*"bytes": {"total": \([0-9]*\),.*/\1/' "$work/out1") - $(setup "$work/out1"))); }
ask_three() {
    start 1 "$@" --no-guard --input "$work/many.txt" --batch 600 --json # the guard has a price of its own
    together ""
    [ "$(labels "$work/out1")" = "$(labels "$work/plain_many")" ] || complain "calibrated: $(cat "$work/out1")"
    taken+=("$(online)")
}
taken=()
for withheld in --no-ranges ""; do
    # shellcheck disable=SC2086
    start 0 --model "$work/calibrated" --no-guard $withheld && start 2 --no-guard
    ask_three
    # shellcheck disable=SC2086
    "$trefoil" share-model --force --model "$work/calibrated" --out "$work/narrow" $withheld >"$work/out" || complain "share-model $withheld"
    for n in 0 2; do start $n --model-shares "$work/narrow" --no-guard; done
    ask_three --model-shares "$work/narrow"
done
[ "${taken[2]}" -lt "${taken[0]}" ] && [ "${taken[3]}" -lt "${taken[1]}" ] || complain "ranges save no bytes: ${taken[*]}"
start 0 --model "$work/calibrated" && start 2 --no-ranges
start 1 --text hello
together "differ in the calibrated ranges"
"$trefoil" share-model --force --model "$work/calibrated" --no-ranges --out "$work/narrow" >"$work/out"
[ ! -e "$work/narrow/party0/ranges.json" ] || complain "share-model --no-ranges leaves ranges.json there"

conclude
