#!/usr/bin/env bash
# Lengths that are hidden: two texts of different lengths move the same bytes in the same rounds, which are those that
# `trefoil cost` forecasts, and have the results that they have unpadded.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
model=$work/tiny
make_tiny_model "$model"
make_parties || exit 1
texts=("good" "a good good film . it was good !")

moved() { grep -oE '"links": [^}]*]]|, "rounds": [0-9]+, "(memory|forecast)' "$1" | sed 's/, "[mf].*//' | head -2; }
results() { grep -oE '"(label|score)": ("[a-z]*"|[0-9]\.[0-9]{3})' "$1"; }
# refused PATTERN ARGUMENT...
refused() {
    local pattern=$1
    shift
    "$trefoil" infer --local --model "$model" "$@" >"$work/out" 2>"$work/err" && complain "$* went through"
    grep -q "$pattern" "$work/err" || complain "no '$pattern' in: $(cat "$work/err")"
}

for approx in exact paper mpcformer; do
    for i in 0 1; do
        "$trefoil" plain --model "$model" --approx $approx --text "${texts[i]}" --json >"$work/plain" 2>/dev/null
        for pad in bucket 13; do
            "$trefoil" infer --local --model "$model" --approx $approx --text "${texts[i]}" --pad-to $pad --json >"$work/$pad$i" 2>"$work/err" || complain "$(cat "$work/err")"
            [ "$(results "$work/$pad$i")" = "$(results "$work/plain")" ] || complain "$approx, text $i in $pad: $(results "$work/$pad$i") where $(results "$work/plain") was expected"
        done
    done
    for pad in bucket 13; do
        [ "$(moved "$work/${pad}0")" = "$(moved "$work/${pad}1")" ] || complain "$approx: the length shows: $(moved "$work/${pad}0") $(moved "$work/${pad}1")"
    done
    "$trefoil" cost --model "$model" --approx $approx --pad-to 13 --json >"$work/cost"
    [ "$(moved "$work/cost")" = "$(moved "$work/130")" ] || complain "$approx: cost says $(moved "$work/cost"), the run $(moved "$work/130")"
done

# Only the data owner asks for it: the others are told.
start 0 --model "$model" && start 2
start 1 --model "$model" --text "${texts[1]}" --pad-to bucket --json
for n in 1 0 2; do
    await 60 $n
    [ "$status" = 0 ] || complain "party $n: $(cat "$work/err$n")"
    pid[n]=
done
"$trefoil" plain --model "$model" --text "${texts[1]}" --json >"$work/plain" 2>/dev/null
[ "$(results "$work/out1")" = "$(results "$work/plain")" ] || complain "party: $(cat "$work/out1")"

refused "at most 4 are allowed" --text "${texts[1]}" --pad-to 4
refused "the model takes 16 tokens" --text good --pad-to 17
refused 'a number of tokens or "bucket"' --text good --pad-to big
conclude
