#!/usr/bin/env bash
# embed writes what plain and infer print, as NumPy reads it; similarity finds by the cosine of these.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
model=$work/tiny
make_tiny_model "$model"
classifier=$work/classifier
cp -r "$model" "$classifier"
sed -i 's/BertForSequenceClassification/BertModel/' "$model/config.json"

# says PATTERN ARGUMENT...: fails, and one line matches.
says() {
    local pattern=$1 got
    shift
    got=$(timeout 60 "$trefoil" "$@" 2>&1) && complain "trefoil $* works"
    grep -qE "$pattern" <<<"$got" || complain "trefoil $*: no '$pattern' in: $got"
}

printf 'hello world\na good film\n\nit was bad\nworld\n' >"$work/texts.txt"
"$trefoil" plain --model "$model" --input "$work/texts.txt" --json >"$work/plain.json" || complain plain
"$trefoil" embed --plain --model "$model" --input "$work/texts.txt" --out "$work/plain.npy" --json >"$work/out" || complain embed
grep -q '"texts": 5, "dimensions": 8' "$work/out" || complain "embed: $(cat "$work/out")"
"$trefoil" embed --local --model "$model" --input "$work/texts.txt" --out "$work/private.npy" >"$work/out" || complain "embed --local"
grep -q "private.npy: 5 vectors of 8 values" "$work/out" || complain "embed --local: $(cat "$work/out")"
"$trefoil" embed --plain --model "$model" --input "$work/texts.txt" --out "$work/cut.npy" --dimensions 3 --quiet >/dev/null || complain cut
"$trefoil" similarity --local --model "$model" --input "$work/texts.txt" --query "good world" --query "it is bad" --top 2 \
    --json >"$work/found.json" || complain similarity
"$trefoil" similarity --plain --model "$model" --input "$work/texts.txt" --vectors "$work/plain.npy" --query "good world" \
    --query "it is bad" --top 2 --json >"$work/stored.json" || complain "similarity --vectors"
"$trefoil" plain --model "$model" --text "good world" --text "it is bad" --json >"$work/queries.json" || complain queries

python3 - "$work" <<'PYTHON' || complain "values"
import json, math, struct, sys
work = sys.argv[1] + "/"

def matrix(name):
    data = open(work + name, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    length = struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:10 + length])
    assert (10 + length) % 64 == 0 and header["descr"] == "<f4" and not header["fortran_order"], header
    rows, width = header["shape"]
    flat = struct.unpack("<%df" % (rows * width), data[10 + length:])
    return [flat[i * width:(i + 1) * width] for i in range(rows)]

def unit(v):
    return [x / math.sqrt(sum(y * y for y in v)) for x in v]

def near(a, b, by):
    return len(a) == len(b) and all(abs(x - y) < by for x, y in zip(a, b))

wanted = [r.get("embedding") for r in json.load(open(work + "plain.json"))["results"]]
queries = [r["embedding"] for r in json.load(open(work + "queries.json"))["results"]]
full, private, cut = matrix("plain.npy"), matrix("private.npy"), matrix("cut.npy")
for i, row in enumerate(wanted):
    if row is None:
        assert i == 2 and all(math.isnan(x) for x in full[i] + private[i] + cut[i])
        continue
    assert near(full[i], row, 1e-6) and near(private[i], row, 0.01) and near(cut[i], unit(row[:3]), 1e-6), i
for name, by in (("found.json", 0.01), ("stored.json", 1e-5)):
    results = json.load(open(work + name))["results"]
    assert len(results) == 2
    for query, result in zip(queries, results):
        scores = sorted(((sum(a * b for a, b in zip(query, row)), i) for i, row in enumerate(wanted) if row), reverse=True)
        assert near([f["score"] for f in result["found"]], [s for s, _ in scores[:2]], by), (name, result, scores)
        assert name == "found.json" or [f["index"] for f in result["found"]] == [i for _, i in scores[:2]], (result, scores)
PYTHON

"$trefoil" similarity --plain --model "$model" --input "$work/texts.txt" --query "good world" >"$work/out" || complain table
grep -q '^good world' "$work/out" && grep -q '5 texts searched' "$work/out" || complain "table: $(cat "$work/out")"
says "gives no embeddings" embed --plain --model "$classifier" --text hello --out "$work/no.npy"
says "dimensions 9: embeddings .* have 8" embed --plain --model "$model" --text hello --out "$work/no.npy" --dimensions 9
says "needs --query" similarity --plain --model "$model" --input "$work/texts.txt"
says "is not a file of NumPy" similarity --plain --model "$model" --input "$work/texts.txt" --vectors "$work/texts.txt" --query a
head -c -4 "$work/plain.npy" >"$work/short.npy"
says "does not fill it" similarity --plain --model "$model" --input "$work/texts.txt" --vectors "$work/short.npy" --query a
says "5 vectors of 3 values" similarity --plain --model "$model" --input "$work/texts.txt" --vectors "$work/cut.npy" --query a
"$trefoil" similarity --plain --model "$model" --input "$work/texts.txt" --vectors "$work/cut.npy" --query a --dimensions 3 \
    >"$work/out" || complain "similarity --dimensions"

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
