#!/usr/bin/env bash
# Decoys: texts that the model's owner certified are mixed among the data owner's; who tampers with results is found, an
# honest run shows the data owner's results alone, and nothing else about the run depends on which texts are decoys.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

# refused PATTERN COMMAND...: the command fails with a line that has the pattern, and prints no result.
refused() {
    local pattern=$1
    shift
    "$@" >"$work/out" 2>"$work/err" && complain "no failure where '$pattern' was expected"
    grep -qE "^trefoil: .*$pattern" "$work/err" || complain "no '$pattern' in: $(cat "$work/err")"
    grep -q label "$work/out" && complain "a result where '$pattern' was expected"
}

model=$work/tiny
make_tiny_model "$model"
for noun in hello world film good bad; do
    for verb in is was; do
        for mark in . , ! ?; do echo "a $noun $verb $mark"; done
    done
done >"$work/public.txt"
printf 'hello world\n\na good good film . it was good !\n' >"$work/texts.txt"

"$trefoil" certify --model "$model" --input "$work/public.txt" --out "$work/certified.json" >"$work/out" || complain certify
digest=$(sha256sum "$work/certified.json")
grep -q "40 texts certified.*${digest%% *}" "$work/out" || complain "another digest: $(cat "$work/out")"

run=("$trefoil" infer --local --model "$model" --input "$work/texts.txt" --pad-to 12 --batch 5)
decoys=(--decoys 20 --certified "$work/certified.json")
"${run[@]}" --json >"$work/without" || complain "infer without decoys"
"${run[@]}" "${decoys[@]}" --json >"$work/with" || complain "an honest run is refused"
[ "$(grep -o '"label": "[a-z]*"' "$work/with")" = "$(grep -o '"label": "[a-z]*"' "$work/without")" ] ||
    complain "other labels with decoys"
[ "$(grep -o '"index": [0-9]*' "$work/with" | tr -d '\n')" = '"index": 0"index": 1"index": 2' ] || complain "decoys among the results"
grep -q '"error"' "$work/with" || complain "the empty text was not marked"
grep -qE 'noun|a film is' "$work/with" && complain "a decoy's text among the results"
grep -qE '"decoys": \{"count": 20, "largest_difference": [0-9.e-]+\}' "$work/with" || complain "no word of decoys: $(cat "$work/with")"
"${run[@]}" "${decoys[@]}" >"$work/out"
grep -q "20 decoys right.*probability 0.87" "$work/out" || complain "no word of decoys: $(cat "$work/out")"

# A helper that tampers, on links that nobody authenticates.
if mpicc -shared -fPIC -o "$work/tamper.so" "$here/../support/tamper_mpi.c" 2>/dev/null; then
    party=("$trefoil" infer --model "$model" --input "$work/texts.txt" --pad-to 12 --plaintext-links)
    owners=(-x LD_PRELOAD="$work/tamper.so") helper=(-x TAMPER=1 -x LD_PRELOAD="$work/tamper.so")
    mpirun --oversubscribe -n 2 "${owners[@]}" "${party[@]}" : -n 1 "${helper[@]}" "${party[@]}" >"$work/out" 2>"$work/err"
    grep -q "red\|green\|blue\|label" "$work/out" || complain "the test does not tamper as it should: $(cat "$work/err")"
    mpirun --oversubscribe -n 2 "${owners[@]}" "${party[@]}" "${decoys[@]}" : -n 1 "${helper[@]}" "${party[@]}" "${decoys[@]}" \
        >"$work/out" 2>"$work/err" && complain "a run that was tampered with passes"
    grep -q "of 20 decoys are off" "$work/err" || complain "another reason: $(cat "$work/err")"
    grep -q label "$work/out" && complain "results of a run that was tampered with"
else
    echo "without mpicc: a helper that tampers is not tried"
fi

# What does not do.
refused "off from what was certified" "${run[@]}" "${decoys[@]}" --tolerance 1e-9
refused "certified with --approx" "${run[@]}" "${decoys[@]}" --approx paper
refused "fewer than --decoys 41" "${run[@]}" --decoys 41 --certified "$work/certified.json"
refused "needs --pad-to N" "$trefoil" infer --local --model "$model" --text hello "${decoys[@]}"
refused "needs --pad-to N" "$trefoil" infer --local --model "$model" --text hello "${decoys[@]}" --pad-to bucket
refused "go together" "${run[@]}" --decoys 3
refused "none of --check" "${run[@]}" "${decoys[@]}" --check
sed 's/"architecture": "./"architecture": "x/' "$work/certified.json" >"$work/other.json"
refused "certified for another model" "${run[@]}" --decoys 3 --certified "$work/other.json"
for damage in 's/"values"/"value"/' 's/"text":/"texts":/' 's/"tokens": 6/"tokens": "x"/'; do
    sed "$damage" "$work/certified.json" >"$work/damaged.json"
    refused "has no \"text\"|fewer than" "${run[@]}" --decoys 40 --certified "$work/damaged.json"
done

conclude
