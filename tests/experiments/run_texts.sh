#!/usr/bin/env bash
# Texts in every form in which people have them: each becomes the same ids, and what may be a second text is never lost.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
model=$work/tiny
make_tiny_model "$model"
pair="[2, 5, 6, 3, 7, 10, 3]" # hello world, a film
one="[2, 5, 6, 3]"

# gives WANTED FILE CONTENT ARGUMENT...: the file's texts have these ids.
gives() {
    local wanted=$1 file=$work/$2 content=$3 got
    shift 3
    printf "%b" "$content" >"$file"
    got=$(timeout 60 "$trefoil" tokenize --model "$model" --input "$file" "$@" 2>&1)
    [ "$got" = "$wanted" ] || complain "$(basename "$file") $*: $got, not $wanted"
}

# refuses PATTERN FILE CONTENT ARGUMENT...: fails with one line that matches.
refuses() {
    local pattern=$1 file=$work/$2 content=$3 got
    shift 3
    printf "%b" "$content" >"$file"
    got=$(timeout 60 "$trefoil" tokenize --model "$model" --input "$file" "$@" 2>&1) && complain "$content is taken: $got"
    grep -qE "$pattern" <<<"$got" || complain "$content: no '$pattern' in: $got"
    [ "$(wc -l <<<"$got")" = 1 ] || complain "not one line: $got"
}

# says PATTERN ARGUMENT...: fails, and one line matches.
says() {
    local pattern=$1 got
    shift
    got=$(timeout 60 "$trefoil" "$@" 2>&1) && complain "trefoil $* works"
    grep -qE "$pattern" <<<"$got" || complain "trefoil $*: no '$pattern' in: $got"
}

# Pairs by the names of public data sets, as JSON and as tables.
for keys in text,text_pair text,text_b text_a,text_b sentence1,sentence2 question1,question2 question,sentence \
    question,context premise,hypothesis query,document query,passage query,text; do
    a=${keys%,*} b=${keys#*,}
    gives "$pair" pair.jsonl "{\"id\": 4, \"$b\": \"a film\", \"$a\": \"hello world\", \"label\": 1}\n"
    gives "$pair" pair.csv "$b,$a\na film,hello world\n"
    gives "$pair" pair.tsv "id\t$b\t$a\n4\ta film\thello world\n"
done
gives "$one" one.jsonl '{"text": "hello world", "text_pair": null, "id": "x"}\n'
gives "$one" one.jsonl '{"sentence": "hello world", "idx": 4}'
refuses 'one.jsonl line 1: "text" and "sentence2" may both' one.jsonl '{"text": "hello", "sentence2": "world"}'
refuses '"text" and another name may both' one.jsonl '{"text": "hello", "reply_b": "world"}'
refuses '"sentence" and "context" may both' one.jsonl '{"question": "a", "context": "b", "sentence": "c"}'
refuses 'it has no key "text"' one.jsonl '{"words": "hello"}'
refuses 'second of a pair' one.jsonl '{"text_a": "a", "text_b": 4}'
refuses '"text" and "sentence2" may both' one.csv 'text,sentence2\na,b\n'
gives "$pair" keys.jsonl '{"text": "a", "l": "hello world", "r": "a film"}' --columns text=l,text_b=r
refuses 'no key "words"' keys.jsonl '{"text": "a"}' --columns text=words

# CSV: separators found, quotes, several lines in a field, Windows and a byte order mark.
for separator in , ';' '\t' '|'; do gives "$pair" some.csv "text_a${separator}text_b\nhello world${separator}a film\n"; done
gives "$pair" quotes.CSV '\xef\xbb\xbf"text_a","text_b"\r\n"hello\nworld","a\r\nfilm"\r\n'
gives "[2, 7, 15, 10, 3]
$one" quotes.csv 'label,text\n0,"a, film"\n\n1,hello world\n'
gives '[2, 1, 5, 1, 3]' quotes.csv 'text\n"""hello"""\n'
gives "$pair" numbers.csv '0,hello world,a film\n' --columns text=2,text_b=3
refuses 'line 2 has 3 columns, not 2' bad.csv 'text,label\nhello, world,1\n'
refuses 'line 2: a quote is opened that is not closed' bad.csv 'text\n"hello\nworld\n'
refuses 'its header names no column "text"' bad.csv 'words,label\nhello,1\n'

# JSON by content, whatever the ending's case.
gives "$one
$pair" list.json '[\n "hello world",\n {"text": "hello world",\n  "text_pair": "a film"}\n]\n'
gives "$one
$pair" lines.JSON '"hello world"\n["hello world", "a film"]\n'
gives "$one" object.json '{\n "text": "hello world"\n}\n'
gives "$one" lines.NDJSON '"hello world"\n\n'
refuses 'list.json item 2: neither' list.json '["hello", 7]'
refuses 'broken.json line 2 is not JSON' broken.json '["hello",\n oops]'
refuses '.none of lines, jsonl, json, csv and tsv' x.txt 'hello' --format xml
refuses 'read as a text a line' x.txt 'hello' --columns text=a

# Standard input in any form.
given() { "$trefoil" tokenize --model "$model" --input - "$@" 2>&1; }
[ "$(printf 'text_a,text_b\nhello world,a film\n' | given --format csv)" = "$pair" ] || complain "CSV from standard input"
[ "$(printf '[["hello world", "a film"]]' | given --format json)" = "$pair" ] || complain "JSON from standard input"
[ "$(printf 'text\ttext_b\nhello world\ta film' | given --format tsv)" = "$pair" ] || complain "a table from standard input"
[ "$(printf 'hello world' | given)" = "$one" ] || complain "lines from standard input"

# An empty text is marked; the rest is answered.
printf 'hello\n\nworld\n \n' >"$work/gap.txt"
got=$("$trefoil" plain --model "$model" --input "$work/gap.txt" --json) || complain "an empty text ends the run"
[ "$(grep -o '"error": "the text is empty"' <<<"$got" | wc -l)" = 2 ] || complain "not two marks: $got"
[ "$(grep -o '"logits"' <<<"$got" | wc -l)" = 2 ] || complain "not two results: $got"
grep -q '^   3  error: the text is empty' <("$trefoil" plain --model "$model" --input "$work/gap.txt") ||
    complain "the table does not mark an empty text"
got=$("$trefoil" infer --local --model "$model" --input "$work/gap.txt" --check --json) || complain "infer: $got"
grep -q '"index": 1, "error": "the text is empty"}, {"index": 2, "logits"' <<<"$got" || complain "infer: $got"
says "gap.txt line 2: the text is empty" plain --model "$model" --input "$work/gap.txt" --strict
printf 'text,label\nhello,red\n ,red\nworld,blue\n' >"$work/gap.csv"
"$trefoil" eval --plain --model "$model" --data "$work/gap.csv" --out "$work/gap.out" --json >"$work/out" 2>"$work/err" ||
    complain "eval: $(cat "$work/err")"
grep -q '"examples": 2' "$work/out" || complain "eval: $(cat "$work/out")"
grep -q "gap.csv line 3: the text is empty and left out" "$work/err" || complain "eval does not warn: $(cat "$work/err")"

# Results that are read again go to regular files.
ulimit -v 8000000
for out in /dev/full /dev/null; do
    says "$out is not a regular file" eval --plain --model "$model" --data "$work/gap.csv" --out $out
done

# Lengths.
long=$(printf 'good %.0s' {1..40})
got=$("$trefoil" tokenize --model "$model" --text "$long" --max-length 5)
[ "$got" = "[2, 8, 8, 8, 3]" ] || complain "--max-length: $got"
says "max-length 17: the model has 16" plain --model "$model" --text hello --max-length 17
echo '{"max_seq_length": 6}' >"$model/sentence_bert_config.json"
"$trefoil" plain --model "$model" --text "$long" --json >"$work/long" || complain "max_seq_length does not cut"
"$trefoil" plain --model "$model" --text "good good good good" --json >"$work/four"
[ "$(grep -o '"logits": \[[^]]*' "$work/long")" = "$(grep -o '"logits": \[[^]]*' "$work/four")" ] ||
    complain "max_seq_length: $(cat "$work/long" "$work/four")"

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
