#!/usr/bin/env bash
# The command line in one process: help, results, and a clear error in one line for everything that may be wrong.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

# fails CODE PATTERN ARGUMENT...: exits with the code, prints nothing, and one line that matches on stderr.
fails() {
    local code=$1 pattern=$2 got
    shift 2
    timeout 60 "$trefoil" "$@" >"$work/out" 2>"$work/err"
    got=$?
    [ $got = "$code" ] || complain "exit status $got, not $code: trefoil $*: $(cat "$work/err")"
    [ ! -s "$work/out" ] || complain "printed a result: trefoil $*"
    [ "$(grep -vc '^trefoil: warning: ' "$work/err")" = 1 ] || complain "not one line: trefoil $*: $(cat "$work/err")"
    grep -q '^trefoil: ' "$work/err" || complain "no 'trefoil: ' in front: $(cat "$work/err")"
    grep -qE "$pattern" "$work/err" || complain "no '$pattern' in: $(cat "$work/err")"
}

# works ARGUMENT...: exits with 0 and leaves its output in $work/out.
works() {
    timeout 60 "$trefoil" "$@" >"$work/out" 2>"$work/err" || complain "trefoil $*: $(cat "$work/err")"
    grep -qv '^trefoil: warning: ' "$work/err" && complain "said something on stderr: trefoil $*: $(cat "$work/err")"
}

prints() { grep -qF -- "$1" "$work/out" || complain "no '$1' in: $(cat "$work/out")"; }

model=$work/tiny
make_tiny_model "$model"

# Help and the command line itself.
works --help
prints tokenize
works --version
prints "trefoil "
for command in plain tokenize fit-head ops; do
    works "$command" --help
    prints "Usage: trefoil $command"
    prints --json
done
fails 2 "'dance' is not a command" dance
fails 2 "needs --model" plain --text hello
fails 2 "either --text or --input" plain --model "$model"
fails 2 "either --text or --input" plain --model "$model" --text hello --input "$work/x"
fails 2 "'--dance' is not an option" plain --model "$model" --dance
fails 2 "'--local' is not an option" plain --model "$model" --text hello --local
fails 2 "'--model' is not an option .* or its value is missing" plain --text hello --model
fails 2 "'surplus' is not an option" plain --model "$model" --text hello surplus
fails 2 "'0' is not a whole number from 1" plain --model "$model" --text hello --batch 0
fails 2 "'2x' is not a whole number" plain --model "$model" --text hello --batch 2x
fails 2 "needs --data" fit-head --model "$model" --out "$work/head"

# Results: in the order of the input, whatever the batches.
works plain --model "$model" --text "hello world" --text "a good film !" --json
prints '"index": 1'
prints '"logits"'
printf 'hello\na good good film . it was good !\nworld\nit is bad\n' >"$work/texts.txt"
results() { grep -o '"results": \[.*\], "seconds"' "$work/out"; }
works plain --model "$model" --input "$work/texts.txt" --json --batch 1
results >"$work/one"
works plain --model "$model" --input "$work/texts.txt" --json --batch 3
[ -s "$work/one" ] && [ "$(grep -o '"label": "[a-z]*"' "$work/one")" = "$(results | grep -o '"label": "[a-z]*"')" ] ||
    complain "batches change the results: $(cat "$work/one") $(results)"
works plain --model "$model" --input "$work/texts.txt" --limit 2
prints "2 texts"
works plain --model "$model" --text hello --approx paper
works plain --model "$model" --text hello --approx gelu=relu,softmax=exact,layernorm@0=exact
works tokenize --model "$model" --text "Hello worlds!"
[ "$(cat "$work/out")" = "[2, 5, 6, 18, 16, 3]" ] || complain "tokenize: $(cat "$work/out")"
works tokenize --model "$model" --text "Hello worlds!" --json
prints '"offsets": [null, [0, 0, 5], [0, 6, 11], [0, 11, 12], [0, 12, 13], null]}'
works ops --json
prints '"kind": "gelu"'

# Texts.
fails 1 "text 1: the text is empty" plain --model "$model" --text hello --text "" --strict
fails 1 "text 0: the text is empty" plain --model "$model" --text "   "
printf 'hello\n\nworld\n' >"$work/gap.txt"
fails 1 "gap.txt line 2: the text is empty" plain --model "$model" --input "$work/gap.txt" --strict
: >"$work/nothing.txt"
fails 1 "nothing.txt holds no text" plain --model "$model" --input "$work/nothing.txt"
fails 1 "absent.txt: No such file" plain --model "$model" --input "$work/absent.txt"
fails 1 "UTF-8" plain --model "$model" --text $'hello \xff world'
printf 'hello\nw\xc3\x28rld\n' >"$work/latin.txt"
fails 1 "latin.txt line 2.*UTF-8" plain --model "$model" --input "$work/latin.txt"
long=$(printf 'good %.0s' {1..15})
fails 1 "17.*16" plain --model "$model" --text "$long"
works plain --model "$model" --text "$long" --truncate
works tokenize --model "$model" --text "$long" --truncate
[ "$(tr -cd , <"$work/out" | wc -c)" = 15 ] || complain "not cut to 16 ids: $(cat "$work/out")"
printf '"hello"\n["hello", "world"]\n{"text": "a film", "label": 1}\n' >"$work/good.jsonl"
works plain --model "$model" --input "$work/good.jsonl"
printf '"hello"\n{"text": 7}\n' >"$work/bad.jsonl"
fails 1 "bad.jsonl line 2" plain --model "$model" --input "$work/bad.jsonl"
printf '"hello"\n"hel' >"$work/cut.jsonl"
fails 1 "cut.jsonl line 2 is not JSON" plain --model "$model" --input "$work/cut.jsonl"
printf 'hello\tgreen\n' >"$work/headless.tsv"
fails 1 "names no column" plain --model "$model" --input "$work/headless.tsv"
printf 'label\ttext\ngreen\thello\nred\n' >"$work/short.tsv"
fails 1 "short.tsv line 3 has fewer columns" plain --model "$model" --input "$work/short.tsv"
printf 'text\tlabel\nhello\tred\nhello\tgreen\nhello\tblue\n' >"$work/labels.tsv"
works plain --model "$model" --input "$work/labels.tsv"
prints "1 of 3 labelled right"
works plain --model "$model" --input "$work/labels.tsv" --json
prints '"accuracy": 0.33333'
"$trefoil" plain --model "$model" --text hello >/dev/full 2>"$work/err" && complain "a full device is no error"
grep -q "could not be written" "$work/err" || complain "full device: $(cat "$work/err")"

# Approximations and plugins.
fails 1 "exact.*relu" plain --model "$model" --text hello --approx gelu=magic
fails 1 "magic" plain --model "$model" --text hello --approx magic
fails 1 "known are exact, paper, puma, mpcformer" plain --model "$model" --text hello --approx magic
fails 1 "p is 3, not 2, 4, 6 or 8" plain --model "$model" --text hello --approx softmax=power:3
works plain --model "$model" --text hello --approx mpcformer,layernorm1@0=center,softmax@0=power:4
grep -q "warning: the weights were not trained for gelu=quad, .*softmax@0=power:4.*layernorm1@0=center" "$work/err" ||
    complain "no warning: $(cat "$work/err")"
for approx in exact puma gelu=poly4; do
    works plain --model "$model" --text hello --approx $approx
    [ -s "$work/err" ] && complain "a needless warning: $(cat "$work/err")"
done
works ops --plugin "$1/trefoil_plugin_example.so"
prints squared_relu
works plain --model "$model" --text hello --plugin "$1/trefoil_plugin_example.so" --approx gelu=squared_relu
fails 1 "absent.so" plain --model "$model" --text hello --plugin "$work/absent.so"

# variant NAME: a copy of the model to be damaged.
variant() {
    bad=$work/$1
    cp -r "$model" "$bad"
}
with_header() { write_safetensors "$bad/model.safetensors" "$1" "$tiny_bytes"; }
edit_header() { with_header "$(sed "$1" <<<"$tiny_header")"; }
plain_fails() { fails 1 "$1" plain --model "$bad" --text "hello world"; }

# Model directories.
fails 1 "absent/config.json" plain --model "$work/absent" --text hello
variant no_config && rm "$bad/config.json" && plain_fails "config.json"
variant no_weights && rm "$bad/model.safetensors" && plain_fails "model.safetensors"
variant no_words && rm "$bad/vocab.txt" && plain_fails "vocab.txt|tokenizer.json"
variant cut_config && printf '{"hidden_size": 8' >"$bad/config.json" && plain_fails "config.json"
variant no_key && sed -i 's/"hidden_size": 8,//' "$bad/config.json" && plain_fails "hidden_size"
variant odd_key && sed -i 's/"hidden_size": 8,/"hidden_size": "eight",/' "$bad/config.json" && plain_fails "hidden_size"
variant zero && sed -i 's/"num_attention_heads": 2/"num_attention_heads": 0/' "$bad/config.json" && plain_fails "num_attention_heads"
variant heads && sed -i 's/"num_attention_heads": 2/"num_attention_heads": 3/' "$bad/config.json" && plain_fails "heads"
variant act && sed -i 's/"gelu"/"selu"/' "$bad/config.json" && plain_fails "hidden_act|selu"
variant words && echo surplus >>"$bad/vocab.txt" && plain_fails "vocab_size"

# Weight files.
variant cut && truncate -s -100 "$bad/model.safetensors" && plain_fails "model.safetensors"
variant stub && truncate -s 4 "$bad/model.safetensors" && plain_fails "model.safetensors"
variant empty && : >"$bad/model.safetensors" && plain_fails "model.safetensors"
variant huge && { bytes64 $((1 << 62)); tail -c +9 "$model/model.safetensors"; } >"$bad/model.safetensors" && plain_fails "model.safetensors"
variant lying && edit_header 's/\[\([0-9]*\),'"$tiny_bytes"'\]/[\1,'$((tiny_bytes + 4096))']/' && plain_fails "classifier.bias"
variant overlap && edit_header 's/\("classifier.bias".*offsets":\)\[[0-9]*,[0-9]*\]/\1[0,12]/' && plain_fails "model.safetensors"
variant overflow && edit_header 's/"shape":\[8,8\]/"shape":[4294967296,4294967296]/' && plain_fails "model.safetensors"
variant shape && edit_header 's/\("classifier.weight".*"shape":\)\[3,8\]/\1[8,3]/' && plain_fails "classifier.weight"
variant dtype && edit_header 's/\("classifier.bias":{"dtype":\)"F32"/\1"I32"/' && plain_fails "classifier.bias"
variant dtypo && edit_header 's/\("classifier.bias":{"dtype":\)"F32"/\1"F99"/' && plain_fails "model.safetensors"
variant missing && edit_header 's/"classifier.bias"/"classifier.bios"/' && plain_fails "classifier.bias"
variant garbage && with_header "{not json" && plain_fails "model.safetensors"

# poke BYTES: sets the last weight, of classifier.bias.
poke() {
    # shellcheck disable=SC2059 # the format is the bytes
    printf "$1" | dd of="$bad/model.safetensors" bs=1 conv=notrunc status=none seek=$(($(stat -c %s "$bad/model.safetensors") - 4))
}
variant nan && poke '\x00\x00\xc0\x7f' && plain_fails "classifier.bias.*NaN|classifier.bias.*finite"
variant infinite && poke '\x00\x00\x80\xff' && plain_fails "classifier.bias"
variant large && poke '\x00\x00\x80\x4b' && plain_fails "classifier.bias"

# A head on frozen embeddings.
printf 'text\tlabel\n' >"$work/train.tsv"
for word in hello world film; do printf '%s\tone\n%s good !\ttwo\n' "$word" "$word" >>"$work/train.tsv"; done
works fit-head --model "$model" --data "$work/train.tsv" --out "$work/head" --json
prints '"labels": 2'
works plain --model "$work/head" --input "$work/train.tsv"
prints "6 of 6 labelled right"
works fit-head --model "$work/head" --data "$work/train.tsv" --out "$work/head2"
cmp -s "$work/head/model.safetensors" "$work/head2/model.safetensors" || complain "a head fitted again differs"
fails 1 "itself" fit-head --model "$model" --data "$work/train.tsv" --out "$model"
fails 1 "one label only" fit-head --model "$model" --data "$work/train.tsv" --limit 1 --out "$work/no"
printf 'text\nhello\n' >"$work/unlabelled.tsv"
fails 1 "no label" fit-head --model "$model" --data "$work/unlabelled.tsv" --out "$work/no"
fails 1 "absent/head" fit-head --model "$model" --data "$work/train.tsv" --out "$work/absent/head"

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
