#!/usr/bin/env bash
# The performance specs: every case is there once, each with what it measured or the reason why there is nothing, and where
# the time goes; an op by itself.
set -uo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export TREFOIL=$1/trefoil PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 -c 'import tomllib' 2>/dev/null || { echo "skipped: /usr/bin/python3 is older than 3.11 (Debian: python3)"; exit 77; }
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
specs=$source/experiments/sweep/specs
sweep() { "$TREFOIL" sweep "$@"; }

# What the specs hold, by their first columns.
sweep "$specs/bench.toml" --list measure=link,step,product,profile >"$work/list" 2>"$work/err" || complain "--list: $(cat "$work/err")"
for case in 'link +link' 'step +relu +393216' 'step +rsqrt +16384' 'product +128x768x768' 'profile +bert-tiny +paper +128' \
    'profile +bert-large +exact +128'; do
    [ "$(grep -cE "^open +$case" "$work/list")" = 1 ] || complain "$case is not among the cases, or twice"
done
grep -q "^26 points:" "$work/list" || complain "bench.toml counts otherwise: $(tail -2 "$work/list")"
sweep "$specs/bench_quick.toml" --list measure=time,op >"$work/list" 2>"$work/err" || complain "--list: $(cat "$work/err")"
[ "$(grep -cE '^open +time +bert-tiny +(paper|exact) +(32|128) +(1|8) ' "$work/list")" = 8 ] || complain "not eight times of BERT-tiny"
grep -qE '^open +op +gelu=exact +128x3072 ' "$work/list" || complain "no GELU by itself"
for wrong in 'steps=relu' 'steps=rilu=100' 'products=3x4' 'ops=gelu=exact:3x' 'ops=gelu=nope'; do
    sweep "$specs/bench_quick.toml" --list measure=step,op,product "$wrong" >"$work/out" 2>&1 && complain "$wrong was accepted"
    grep -q "${wrong##*=}" "$work/out" || complain "$wrong: $(cat "$work/out")"
done

small=(network=local runs=2 repeats=2 model=bert-tiny seq=32 batch=1)
sweep "$specs/bench_quick.toml" --out "$work/tiny" "${small[@]}" approx=paper steps=rsqrt=100 ops=gelu=exact:8x64 products=12x34x56 >/dev/null 2>"$work/err" ||
    complain "the sweep failed: $(cat "$work/err")"
# a case of which nothing comes: too little time
sweep "$specs/bench_quick.toml" --out "$work/tiny" "${small[@]}" measure=time approx=exact timeout=0 >/dev/null 2>&1 && complain "a late case is no failure"

/usr/bin/python3 - "$work/tiny" <<'PYTHON' || complain "the results are not as they should be"
import json
import pathlib
import sys

results = [json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1], "results").glob("*.json")]
by = {}
for r in results:
    by.setdefault(r["measure"], []).append(r)
assert {m: len(v) for m, v in by.items()} == {"link": 1, "step": 1, "op": 1, "product": 1, "time": 4, "profile": 1}, {m: len(v) for m, v in by.items()}
for r in results:
    for key in ("commit", "processor", "cores", "load", "host", "mpi"):
        assert r["environment"][key] not in ("", None), key
for r in by["step"] + by["op"] + by["product"]:
    figures, result = r["figures"], r["result"]
    assert result["runs"] == 2 and 0 < figures["fastest"] <= figures["seconds"] <= figures["slowest"], figures
    assert figures["bytes"] == result["forecast"]["bytes"] == r["forecast"]["bytes"]["total"] > 0, r
    assert figures["per_element"] == figures["bytes"] / result["elements"]
assert by["step"][0]["result"]["step"] == "rsqrt" and by["op"][0]["label"]["size"] == "8x64" and by["product"][0]["result"]["elements"] == 12 * 56
link = by["link"][0]["figures"]
assert min(link[k] for k in ("one_way", "all_ways", "cipher", "round_seconds")) > 0, link
late = [r for r in by["time"] if "error" in r]
assert len(late) == 2 and all(r["error"] == "took more than 0 s" and "figures" not in r for r in late), late
whole = by["profile"][0]["result"]
profile = whole["profile"]
assert sum(op["bytes"] for op in profile["ops"]) + profile["rest"]["bytes"] == whole["bytes"]["total"]
PYTHON

sweep "$work/tiny" --report "$work/tiny.md" || complain "--report FILE.md"
for line in '^| step | size | ' '^| rsqrt | 100 | ' '^| gelu=exact | 8x64 | ' '^| 12x34x56 | ' '^| bert-tiny | paper | 16 | 32 | ' '^### bert-tiny, paper, 32 tokens' \
    '^| linear | 8 | ' '^| residual | 4 | ' '^| all | 29 | ' 'billion multiply-adds a second' '^- Run on ' 'took more than 0 s |$'; do
    grep -q "$line" "$work/tiny.md" || complain "no line '$line' in: $(cat "$work/tiny.md")"
done
# every row of a table has as many cells as its header
awk -F'|' '/^\|---/ { cells = NF } /^\|/ && !/^\|---/ && cells { gsub(/\\\|/, ""); if (NF != cells) exit 1 } /^$/ { cells = 0 }' \
    "$work/tiny.md" || complain "a table's rows differ in length"

# An op by itself, of any shape; --shape is a network all the same.
op() { "$TREFOIL" bench --local --runs 1 --json --op "$@"; }
for case in 'gelu=exact 3x70' 'softmax=exact 2x5x40' 'layernorm 9'; do
    read -r name shape <<<"$case"
    op "$name" --shape "$shape" --shape 1ms,1000mbit >"$work/op" || complain "bench --op $case failed"
    /usr/bin/python3 - "$work/op" "$name" "$shape" <<'PYTHON' || complain "what bench --op $case prints: $(cat "$work/op")"
import json
import math
import sys

result = json.load(open(sys.argv[1], encoding="utf-8"))
assert result["op"] == sys.argv[2] and result["elements"] == math.prod(map(int, sys.argv[3].split("x")))
assert result["bytes"]["total"] == result["forecast"]["bytes"] > 0 and result["rounds"] == result["forecast"]["rounds"] > 1
PYTHON
done
for wrong in '--op gelu=nope' '--op gelu --shape 3x' '--op gelu --shape 0x3' '--op gelu --step relu' '--step relu --shape 3x3'; do
    # shellcheck disable=SC2086
    "$TREFOIL" bench --local $wrong >"$work/said" 2>&1 && complain "bench $wrong was accepted"
done
conclude
