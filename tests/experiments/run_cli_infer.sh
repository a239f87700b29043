#!/usr/bin/env bash
# Private inference from the command line: three processes get the plain model's results, and whatever is wrong with one
# of them ends all three within seconds, each with a reason, none with a result.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

model=$work/tiny
make_tiny_model "$model"
# Parties that hold no more than they need to.
mkdir -p "$work/weights_only" "$work/words_only" "$work/config_only"
cp "$model"/{config.json,model.safetensors} "$work/weights_only"
cp "$model"/{config.json,vocab.txt} "$work/words_only"
cp "$model"/config.json "$work/config_only"
printf 'hello world\na good good film . it was good !\nworld\n' >"$work/texts.txt"

# party N ARGUMENT...: a party's command for `job`, its outputs in files of their own.
parties=()
party() {
    local n=$1
    shift
    parties+=(: -n 1 bash -c 'n=$1; shift; exec "$@" >"'"$work"'/out$n" 2>"'"$work"'/err$n"' party "$n" "$trefoil" "$@")
}

# job: runs the parties under mpirun; its exit status is mpirun's.
job() {
    rm -f "$work"/out* "$work"/err*
    timeout 60 mpirun --oversubscribe "${parties[@]:1}" >/dev/null 2>&1
    status=$?
    count=$((${#parties[@]} ? $(ls "$work"/err* | wc -l) : 0))
    parties=()
}

# refused PATTERN: the last job failed on every party for this reason, quickly, and each says in its file, in one line, what
# it was and which party had it.
refused() {
    local n lines
    [ "$status" != 0 ] || complain "exit status 0 where '$1' was expected"
    [ "$status" != 124 ] || complain "no end within a minute where '$1' was expected"
    for ((n = 0; n < count; n++)); do
        [ ! -s "$work/out$n" ] || complain "party $n printed a result where '$1' was expected"
    done
    for ((n = 0; n < count; n++)); do
        lines=$(grep -c '^trefoil: ' "$work/err$n")
        [ "$lines" = 1 ] || complain "$lines reasons where one was expected, '$1': $(cat "$work/err$n")"
        grep -qE "^trefoil: (.*$1|party $n: party [0-2] failed: )" "$work/err$n" || complain "no '$1' in: $(cat "$work/err$n")"
    done
    grep -qE "$1" "$work"/err* || complain "no '$1' in: $(cat "$work"/err*)"
}

# all ARGUMENT...: the same command for three parties.
all() {
    local n
    for n in 0 1 2; do party $n "$@"; done
}

# What is right: every party opens its own files only, and the data owner gets the plain model's labels.
party 0 infer --model "$work/weights_only" --input "$work/absent" --json
party 1 infer --model "$work/words_only" --input "$work/texts.txt" --json
party 2 infer --model "$work/config_only" --input "$work/absent" --json
job
[ "$status" = 0 ] || complain "a run where all is right: $(cat "$work"/err*)"
[ -s "$work/out1" ] && [ ! -s "$work/out0" ] && [ ! -s "$work/out2" ] || complain "not the data owner alone got the result"
labels() { grep -o '"label": "[a-z]*"' "$1"; }
"$trefoil" plain --model "$model" --input "$work/texts.txt" --json >"$work/plain"
[ "$(labels "$work/out1")" = "$(labels "$work/plain")" ] || complain "the labels differ from the plain model's"

party 0 infer --model "$work/words_only" --input "$work/texts.txt" --model-owner 2 --data-owner 0
party 1 infer --model "$work/config_only" --input "$work/absent" --model-owner 2 --data-owner 0
party 2 infer --model "$work/weights_only" --input "$work/absent" --model-owner 2 --data-owner 0
job
[ "$status" = 0 ] && grep -q "3 texts" "$work/out0" || complain "with other owners: $(cat "$work"/err*)"

"$trefoil" infer --local --check --model "$model" --input "$work/texts.txt" --json >"$work/out" 2>"$work/err" ||
    complain "--local: $(cat "$work/err")"
grep -q '"max_abs_error"' "$work/out" || complain "--check compares nothing"

# Numbers of parties.
timeout 60 "$trefoil" infer --model "$model" --text hello >"$work/out" 2>"$work/err"
[ $? = 1 ] && grep -qE "mpirun -n 3|--local" "$work/err" || complain "alone: $(cat "$work/err")"
for n in 0 1; do party $n infer --model "$model" --text hello; done
job && refused "exactly 3 processes.* 2"
for n in 0 1 2 3; do party $n infer --model "$model" --text hello; done
job && refused "exactly 3 processes.* 4"

# Texts, which the data owner alone opens.
all infer --model "$model" --text "" && job && refused "the text is empty"
all infer --model "$model" --text $'\xff' && job && refused "UTF-8"
long=$(printf 'good %.0s' {1..15})
all infer --model "$model" --text "$long" && job && refused "17.*16"
all infer --model "$model" --text "$long" --truncate && job
[ "$status" = 0 ] || complain "--truncate: $(cat "$work"/err*)"
all infer --model "$model" --input "$work/absent" && job && refused "absent: No such file"

# Models.
party 0 infer --model "$work/absent" --text hello
party 1 infer --model "$model" --text hello
party 2 infer --model "$model" --text hello
job && refused "absent"
party 0 infer --model "$work/config_only" --text hello
party 1 infer --model "$model" --text hello
party 2 infer --model "$model" --text hello
job && refused "model.safetensors"
cp -r "$model" "$work/wide"
sed -i 's/"num_hidden_layers": 1/"num_hidden_layers": 2/' "$work/wide/config.json"
party 0 infer --model "$model" --text hello
party 1 infer --model "$model" --text hello
party 2 infer --model "$work/wide" --text hello
job && refused "differ"

# Choices that the parties must share.
party 0 infer --model "$model" --text hello --approx exact
party 1 infer --model "$model" --text hello --approx exact
party 2 infer --model "$model" --text hello --approx paper
job && refused "approx"
party 0 infer --model "$model" --text hello
party 1 infer --model "$model" --text hello --frac-bits 14
party 2 infer --model "$model" --text hello
job && refused "precision|fraction"
party 0 infer --model "$model" --text hello --network wan
party 1 infer --model "$model" --text hello --network wan
party 2 infer --model "$model" --text hello
job && refused "the network that is planned for"
all infer --model "$model" --text hello --network wan && job
[ "$status" = 0 ] || complain "a run that is planned for a network failed"
grep -q "planned for 40ms,400mbit,2ns (told)" "$work/out1" || complain "it does not tell its network: $(cat "$work/out1")"
all infer --model "$model" --text hello --network measured && job
[ "$status" = 0 ] && grep -qE "planned for [0-9.e+-]+ms,[0-9.e+-]+mbit,[0-9.e+-]+ns \(measured\)" "$work/out1" ||
    complain "a run that measures its network: $(cat "$work/out1" "$work"/err*)"
found=$(grep -oE "[0-9.e+-]+ms,[0-9.e+-]+mbit,[0-9.e+-]+ns" "$work/out1")
all infer --model "$model" --text hello --network "$found" && job
[ "$status" = 0 ] && grep -q "planned for $found (told)" "$work/out1" || complain "what was measured cannot be told: $found"
party 0 infer --model "$model" --text hello --dance
party 1 infer --model "$model" --text hello --timeout 5
party 2 infer --model "$model" --text hello --timeout 5
job
[ "$status" != 0 ] || complain "a party with a wrong command line is no error"

# A weight file that lies, on the model owner's side.
cp -r "$model" "$work/nan"
printf '\x00\x00\xc0\x7f' | dd of="$work/nan/model.safetensors" bs=1 conv=notrunc status=none \
    seek=$(($(stat -c %s "$work/nan/model.safetensors") - 4))
all infer --model "$work/nan" --text hello && job && refused "classifier.bias"

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
