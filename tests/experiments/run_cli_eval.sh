#!/usr/bin/env bash
# Evaluation and calibration from the command line: what a killed evaluation has finished is neither lost nor computed
# again, files of something else are left alone, groups of three share the work, and bad input is refused beforehand.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

# says PATTERN COMMAND...: the command fails with one line that matches.
says() {
    local pattern=$1 output
    shift
    output=$(timeout 60 "$@" 2>&1) && complain "no failure where '$pattern' was expected"
    grep -qE "^trefoil: .*$pattern" <<<"$output" || complain "'$pattern' was expected, not: $output"
}

model=$work/tiny
make_tiny_model "$model"
{
    printf 'sentence\tlabel\n'
    for i in 0 1 2 3; do printf 'hello world %s\tred\na good good film . it was good !\tgreen\nworld\t2\nbad film\t1\n' "$i"; done
} >"$work/data.tsv"
eval=("$trefoil" eval --model "$model" --data "$work/data.tsv")

# whole FILE: all 16 examples once, in order, after one header.
whole() {
    [ "$(tail -n +2 "$1" | sed -E 's/^\{"index":([0-9]+),.*/\1/' | tr '\n' ' ')" = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 " ] ||
        complain "$1 does not hold every example once: $(cut -c1-40 "$1")"
    grep -c '"trefoil"' "$1" | grep -qx 1 || complain "$1 has not one header"
}

# Plain, and by three parties: the same predictions, and with --check they say so themselves.
"${eval[@]}" --plain --out "$work/plain" >"$work/said" || complain "plain evaluation failed"
whole "$work/plain"
grep -q '^accuracy 0\.[0-9]* on 16 examples' "$work/said" || complain "no accuracy: $(cat "$work/said")"
"${eval[@]}" --local --check --json --out "$work/private" >"$work/said" || complain "private evaluation failed"
whole "$work/private"
grep -q '"agreement": 1.0' "$work/said" || complain "private and plain disagree: $(cat "$work/said")"
grep -q '"plain_logits"' "$work/private" || complain "--check left no plain logits"

# Into a file no progress is drawn, however long it takes.
"${eval[@]}" --local --shape 20ms,1000mbit --limit 1 --out "$work/slow" >"$work/said" 2>"$work/err" || complain "a simulated network: $(cat "$work/err")"
grep -q $'\r' "$work/err" && complain "progress is drawn into a file: $(cat -v "$work/err")"

# A file that stops in the middle of a line, as a kill leaves it: the whole lines stay as they are.
head -n 9 "$work/private" >"$work/torn"
cp "$work/torn" "$work/finished"
printf '{"index":15,"lab' >>"$work/torn"
"${eval[@]}" --local --check --json --out "$work/torn" >"$work/said" || complain "a torn file was not continued"
whole "$work/torn"
grep -q '"computed": 8' "$work/said" || complain "not what was missing was computed: $(cat "$work/said")"
[ "$(grep -cFxf "$work/finished" "$work/torn")" = 9 ] || complain "what was finished has changed"

# Once more: nothing is left to do, and another metric needs no computation.
"${eval[@]}" --local --check --json --metric matthews --out "$work/torn" >"$work/said" || complain "a finished file was refused"
grep -q '"computed": 0, "metric": "matthews"' "$work/said" || complain "computed again: $(cat "$work/said")"

# A real kill: in batches of one, so that some are finished when it comes.
"${eval[@]}" --local --batch 1 --out "$work/killed" >/dev/null 2>&1 &
victim=$!
for ((i = 0; i < 200; i++)); do
    [ -e "$work/killed" ] && [ "$(wc -l <"$work/killed")" -ge 3 ] && break
    sleep 0.02
done
kill -9 $victim
wait $victim 2>/dev/null
grep -E '}$' "$work/killed" >"$work/finished"
"${eval[@]}" --local --json --out "$work/killed" >"$work/said" || complain "a killed evaluation was not continued"
whole "$work/killed"
[ "$(grep -cFxf "$work/finished" "$work/killed")" = "$(wc -l <"$work/finished")" ] || complain "a finished example was lost"

# What it took is that of all its runs together: of batches of one, the same as without a kill.
"${eval[@]}" --local --batch 1 --json --out "$work/calm" >"$work/calmly" || complain "batches of one failed"
head -n 9 "$work/calm" >"$work/cut"
"${eval[@]}" --local --batch 1 --json --out "$work/cut" >"$work/said" || complain "a cut file was not continued"
sum() { grep -oE '"bytes": \{"total": [0-9]+|"rounds": [0-9]+' "$1" | tr '\n' ' '; }
[ "$(sum "$work/said")" = "$(sum "$work/calmly")" ] || complain "in two runs $(sum "$work/said"), in one $(sum "$work/calmly")"
grep -q '"rounds": 0' "$work/said" && complain "no rounds in: $(cat "$work/said")"

# A file of the first examples grows; what it took is told beforehand, to the byte.
"${eval[@]}" --local --batch 1 --limit 5 --out "$work/grows" >"$work/said" || complain "--limit 5 failed"
head -n 6 "$work/grows" | tail -n 5 >"$work/finished"
"${eval[@]}" --local --batch 1 --json --out "$work/grows" >"$work/said" || complain "a file of fewer examples was refused"
whole "$work/grows"
grep -q '"computed": 11' "$work/said" || complain "the first examples were computed again: $(cat "$work/said")"
[ "$(grep -cFxf "$work/finished" "$work/grows")" = 5 ] || complain "the first examples have changed"
"${eval[@]}" --batch 1 --dry-run --json >"$work/forecast" || complain "--dry-run failed"
[ "$(sum "$work/said")" = "$(sum "$work/forecast")" ] || complain "forecast $(sum "$work/forecast"), moved $(sum "$work/said")"
says 'eval needs --out' "${eval[@]}" --local

# Long texts make small batches, unless --batch says otherwise.
mkdir "$work/long"
sed 's/"max_position_embeddings": 16/"max_position_embeddings": 512/' "$model/config.json" >"$work/long/config.json"
cp "$model/vocab.txt" "$work/long"
{ printf 'sentence\tlabel\n' && for i in {1..40}; do printf 'hello %.0s' {1..300} && printf '\tred\n'; done; } >"$work/long.tsv"
long=("$trefoil" eval --model "$work/long" --data "$work/long.tsv" --dry-run --json)
"${long[@]}" | grep '"batches": 4, "longest": 302' >/dev/null || complain "13 texts of 302 tokens are no batch: $("${long[@]}")"
"${long[@]}" --batch 32 | grep '"batches": 2' >/dev/null || complain "--batch 32 is not obeyed"

# What the weights were not trained for is said, in JSON too; what the model has not is refused.
"${eval[@]}" --local --approx gelu=quad --limit 1 --json --out "$work/quad" >"$work/said" 2>"$work/err" || complain "gelu=quad failed"
grep -q 'warning: the weights were not trained for gelu=quad' "$work/err" || complain "no warning: $(cat "$work/err")"
grep -q '"warnings": \["the weights were not trained for gelu=quad' "$work/said" || complain "no warning in $(cat "$work/said")"
says 'layernorm@9: the model.s layers are 0 to 0' "${eval[@]}" --local --approx layernorm@9=center --out "$work/none"

# Two groups of three processes share the examples, after parts that a job of another size left behind.
head -n 4 "$work/killed" >"$work/groups.part3"
(head -n 1 "$work/killed" && sed -n 5,6p "$work/killed") >"$work/groups"
timeout 120 mpirun --oversubscribe -n 6 "${eval[@]}" --batch 3 --json --out "$work/groups" >"$work/said" 2>"$work/err" ||
    complain "two groups failed: $(cat "$work/err")"
whole "$work/groups"
grep -q '"groups": 2' "$work/said" || complain "not two groups: $(cat "$work/said")"
computed=$(grep -oE '"computed": [0-9]+' "$work/said" | grep -oE '[0-9]+')
((${computed:-0} > 0 && ${computed:-0} < 11)) || complain "the first group computed $computed of 11 examples"
[ -z "$(ls "$work"/groups.* 2>/dev/null)" ] || complain "parts were left behind: $(ls "$work")"
[ "$(tail -n +2 "$work/killed" | head -n 5 | grep -cFxf "$work/groups")" = 5 ] || complain "a part's examples were lost"
says 'this job has 4 processes' mpirun --oversubscribe -n 4 "${eval[@]}" --out "$work/four"

# Files of something else stay as they are.
cp "$work/private" "$work/before"
says '"approx" is .*not .*give another --out' "${eval[@]}" --local --check --approx paper --out "$work/private"
says '"check" is true, not false' "${eval[@]}" --local --out "$work/private"
says '"examples" is 16, not 5|"data" is' "${eval[@]}" --local --check --limit 5 --out "$work/private"
says 'line 1 is no JSON object' "${eval[@]}" --plain --out "$work/data.tsv"
printf 'precious' >"$work/precious"
says 'is no file of results' "${eval[@]}" --plain --out "$work/precious"
[ "$(cat "$work/precious")" = precious ] || complain "a file of something else was overwritten"
cmp -s "$work/private" "$work/before" || complain "a refused file was changed"
sed '1s/"version":1,/"version":2,/' "$work/private" >"$work/newer"
says 'results of version 2; this trefoil goes on with version 1' "${eval[@]}" --local --check --out "$work/newer"
sed '1s/"version":1,//' "$work/private" >"$work/older"
says 'results of version 0; this trefoil goes on with version 1' "${eval[@]}" --local --check --out "$work/older"

# Bad input is refused before anything is computed or written.
bad() { # bad PATTERN CONTENT [ARGUMENT...]
    local pattern=$1
    # shellcheck disable=SC2059 # the content is the format
    printf "$2" >"$work/bad.${3:-tsv}"
    says "$pattern" "$trefoil" eval --model "$model" --plain --out "$work/none" --data "$work/bad.${3:-tsv}" "${@:4}"
    [ ! -e "$work/none" ] || complain "'$pattern' left a file of results"
}
bad 'bad.tsv line 3 has fewer columns' 'text\tlabel\nhello\t1\nworld\n'
bad "bad.tsv line 3: the label 'pink' is none of the model's 3" 'text\tlabel\nhello\t1\nworld\tpink\n'
bad 'bad.tsv line 2 has no label' 'text\tlabel\nhello\t\n'
bad 'bad.tsv line 2: the text is empty' 'text\tlabel\n\t1\n'
bad 'header names no column' 'words\tlabel\nhello\t1\n'
bad 'bad.jsonl line 2' '{"text": "hello", "label": 1}\n{"text": 3, "label": 1}\n' jsonl
bad 'bad.jsonl line 2: the second of a pair' '{"text_a": "a", "text_b": "b", "label": 1}\n{"text_a": "a", "text_b": 4, "label": 1}\n' jsonl
bad 'f1 is for two labels; the model has 3' 'text\tlabel\nhello\t1\n' tsv --metric f1
bad 'pearson is for one value' 'text\tlabel\nhello\t1\n' tsv --metric pearson
bad 'spearman is for one value' 'text\tlabel\nhello\t1\n' tsv --metric spearman
bad "'bleu' is unknown" 'text\tlabel\nhello\t1\n' tsv --metric bleu
bad 'names no column "words"' 'text\tlabel\nhello\t1\n' tsv --columns text=words,label=label

# The forms of public data sets, and columns by name and by number.
good() { # good CONTENT [ARGUMENT...]
    # shellcheck disable=SC2059
    printf "$1" >"$work/good.${2:-tsv}"
    "$trefoil" eval --model "$model" --plain --out "$work/good_out" --data "$work/good.${2:-tsv}" "${@:3}" >/dev/null ||
        complain "refused: $1"
    [ "$(tail -n +2 "$work/good_out" | grep -oE '"label":"[^"]*"' | tr '\n' ' ')" = '"label":"1" "label":"0" ' ] ||
        complain "labels of '$1': $(cat "$work/good_out")"
    rm -f "$work/good_out"
}
good 'gj04\t1\t\thello world\ngj04\t0\t*\tbad film\n'
good '\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\thello\tworld\n0\t9\t9\tbad\tfilm\n' txt
good 'a\tb\thello\t1\na\tb\tworld\t0\n' tsv --columns text=3,label=4
good 'a\tthe text\tgold\nx\thello\t1\ny\tworld\t0\n' tsv --columns 'text=the text,label=gold'
good '{"text_a": "hello", "text_b": "world", "label": 1}\n{"text": "bad", "label": "0"}\n' jsonl

# A metric of three labels.
"$trefoil" eval --model "$model" --plain --out "$work/macro" --data "$work/data.tsv" --metric macro_f1 --json >"$work/said" ||
    complain "macro_f1: $(cat "$work/said")"
grep -q '"metric": "macro_f1", "value": 0\.' "$work/said" || complain "macro_f1: $(cat "$work/said")"

# Calibration: picked up by itself, refused where it does not belong, and checked.
"$trefoil" calibrate --model "$model" --data "$work/data.tsv" >"$work/said" || complain "calibration failed"
"$trefoil" infer --local --model "$model" --approx paper --text hello >/dev/null 2>"$work/said" || complain "other approximations than calibrated"
grep -q 'warning: ranges.json has no ranges for gelu=relu,.* (but for gelu=exact,' "$work/said" || complain "no word of missing ranges: $(cat "$work/said")"
price() { "$trefoil" cost --model "$model" --seq 8 --json "$@" | grep -o '"total": [0-9]*\|"calibration": "[0-9a-f]*"' | tr '\n' ' '; }
exact=$(price) other=$(price --approx paper)
cp "$model"/ranges*.json "$work"
"$trefoil" calibrate --model "$model" --data "$work/data.tsv" --approx paper >/dev/null || complain "a second calibration failed"
[ "$(price)" = "$exact" ] || complain "a calibration for paper changes exact: $exact, then $(price)"
[[ $(price --approx paper) = *calibration* && $other != *calibration* ]] || complain "the second calibration is not taken: $other, $(price --approx paper)"
"$trefoil" infer --local --model "$model" --approx paper --text hello 2>&1 | grep ranges && complain "a warning of ranges that are there"
cp "$work"/ranges*.json "$model"
"$trefoil" infer --local --model "$model" --approx paper --no-ranges --text hello >/dev/null || complain "--no-ranges failed"
"${eval[@]}" --local --check --check-ranges --report "$work/report" --json --out "$work/ranges" >"$work/said" ||
    complain "the check of ranges failed: $(cat "$work/said")"
grep -q '"agreement": 1.0' "$work/said" || complain "calibrated and plain disagree: $(cat "$work/said")"
grep -q '"name": "classifier"' "$work/report" || complain "the report does not name every node"
says '"ranges" is ' "${eval[@]}" --local --check --no-ranges --out "$work/ranges"
says 'needs --local' mpirun --oversubscribe -n 3 "$trefoil" infer --model "$model" --check-ranges --text hello

# A range that is too small is caught, and its node named. It is at least 1, so this takes larger weights; and a network
# on which bytes are dearer than rounds, for where they are not, linear layers read what the LayerNorm does.
cp -r "$model" "$work/loud"
LC_ALL=C tr '\275' '\301' <"$model/model.safetensors" >"$work/loud/model.safetensors"
"$trefoil" calibrate --model "$work/loud" --data "$work/data.tsv" >/dev/null || complain "calibration failed"
sed -i -E 's/("embeddings.LayerNorm": )[0-9.e+-]+/\11.0/' "$work/loud/ranges.json"
says 'embeddings.LayerNorm \(layernorm\): a value of .* leaves its range of 1 ' \
    "$trefoil" infer --local --check-ranges --no-guard --network 0.01ms,100000mbit,1000ns --model "$work/loud" \
    --text "a good film"
says 'rows with a squared norm of up to .* give --no-guard' "$trefoil" infer --local --model "$work/loud" --text "a good film"

# Lengths can be hidden here as in infer, and the results stay the same.
"${eval[@]}" --local --pad-to 12 --out "$work/padded" >"$work/said" || complain "evaluation with --pad-to failed"
whole "$work/padded"
[ "$(grep -o '"prediction":"[a-z]*"' "$work/padded")" = "$(grep -o '"prediction":"[a-z]*"' "$work/private")" ] ||
    complain "other predictions with --pad-to"

# The digest of the weights, by which results can be told apart, goes to the data owner and nowhere else.
if mpicc -shared -fPIC -o "$work/log.so" "$here/../support/mpi_log.c" 2>/dev/null; then
    mpirun --oversubscribe -n 3 -x MPI_LOG="$work/sent" -x LD_PRELOAD="$work/log.so" "${eval[@]}" --plaintext-links \
        --limit 1 --out "$work/logged" >/dev/null 2>&1 || complain "evaluation with a log of its messages"
    digest=$(grep -oE -m 1 '"model": ?"[0-9a-f]{64}"' "$work/logged" | grep -oE '[0-9a-f]{64}' | sed 's/../\\x&/g')
    LC_ALL=C grep -qaP -- "$digest" "$work/sent.0.1" || complain "the data owner is not told the digest of the weights"
    LC_ALL=C grep -laP -- "$digest" "$work"/sent.?.2 && complain "the helper is told the digest of the weights"
else
    echo "without mpicc: who is told the digest of the weights is not looked at"
fi

# A row beyond its bound is told to the data owner, who then has no result.
LC_ALL=C tr '\275' '\277' <"$model/model.safetensors" >"$work/loud/model.safetensors"
"$trefoil" calibrate --model "$work/loud" --data "$work/data.tsv" >/dev/null || complain "calibration failed"
"$trefoil" infer --local --model "$work/loud" --text "a good film" >/dev/null || complain "the guard found what is not there"
sed -i -E '/"rows"/,$s/("embeddings.sum": )[0-9.e+-]+/\11.0/' "$work/loud/ranges.json"
says 'the result is not to be trusted' "$trefoil" infer --local --model "$work/loud" --text "a good film"
mpirun --oversubscribe -n 3 "$trefoil" infer --model "$work/loud" --text "a good film" >"$work/said" 2>&1 &&
    complain "three processes went on beyond the ranges"
[ "$(grep -c 'not to be trusted' "$work/said")" -le 1 ] || complain "the others know why the data owner failed"
[ "$(grep -c '^trefoil: ' "$work/said")" = 1 ] || complain "not one party said why: $(cat "$work/said")"
"$trefoil" infer --local --no-guard --model "$work/loud" --text "a good film" >/dev/null || complain "--no-guard failed"
"$trefoil" cost --model "$work/loud" --seq 8 | grep -q '^guard ' || complain "the forecast does not know the guard"
"$trefoil" infer --local --no-guard --check-copies --model "$work/loud" --text "a good film" >/dev/null ||
    complain "--check-copies failed"
"$trefoil" cost --check-copies --model "$work/loud" --seq 8 | grep -q '^check ' || complain "the forecast does not know the copies"
sed -i -E 's/"rows"/"lines"/' "$work/loud/ranges.json"
says '"rows" is no object: calibrate again' "$trefoil" infer --local --model "$work/loud" --text "a good film"

# Ranges of other weights are refused by who holds the weights.
sed -i -E 's/("model": ")[0-9a-f]{8}/\100000000/' "$model/ranges.private.json"
says 'ranges.json is of other weights' "$trefoil" infer --local --model "$model" --text hello
echo '{"id": 1}' >"$model/ranges.json"
says 'ranges.json: "id" is not 64 hexadecimal digits' "$trefoil" infer --local --model "$model" --text hello

conclude
