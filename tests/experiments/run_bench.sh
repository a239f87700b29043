#!/usr/bin/env bash
# The performance table has every chosen case with what it measured, and says why where it measured nothing.
set -uo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
run=$source/experiments/bench/run.sh
export TREFOIL=$1/trefoil
[ -x /usr/bin/python3 ] || { echo "skipped: the table needs /usr/bin/python3"; exit 77; }
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
list=$("$run" --list) || complain "--list"
for case in link/64MiB step/relu=393216 matmul/128x768x768 model/bert-{tiny,mini,small,medium,base,large}/{paper,exact}/{32,128,512}/{1,8}/1 \
    layers/bert-base/paper/128/2 profile/bert-large/exact/128/1/1; do
    grep -qxF "$case" <<<"$list" || complain "$case is not among the cases"
done
[ "$(sort <<<"$list" | uniq -d)" = "" ] || complain "a case is there twice"

"$run" --quick --local --runs 2 --only '^step/rsqrt|^(model|profile)/bert-tiny/paper/(32/1|128/1/1)' --out "$work" --name tiny ||
    complain "run.sh failed"
# a case of which nothing comes: too little time
"$run" --quick --local --runs 1 --only 'model/bert-tiny/exact/128/8' --timeout 0.01 --out "$work" --name late || complain "run.sh failed"
"$run" --quick --only nothing --out "$work" 2>/dev/null && complain "no case at all was accepted"

/usr/bin/python3 - "$work" <<'PYTHON' || complain "the JSON is not as it should be"
import json
import sys

tiny, late = (json.load(open(f"{sys.argv[1]}/{name}.json", encoding="utf-8")) for name in ("tiny", "late"))
about = tiny["environment"]
for key in ("commit", "processor", "cores", "load_at_start", "compiler", "network", "encryption", "parties", "command"):
    assert about[key] not in ("", None), key
names = [case["name"] for case in tiny["cases"]]
assert names == ["step/rsqrt=16384", "model/bert-tiny/paper/32/1/1", "model/bert-tiny/paper/128/1/1",
                 "profile/bert-tiny/paper/128/1/1"], names
for case in tiny["cases"]:
    result, seconds = case["result"], case["result"]["seconds"]
    assert result["runs"] == 2 and case["load"] >= 0
    assert 0 < seconds["fastest"] <= seconds["online"] <= seconds["slowest"], seconds
    assert result["bytes"]["total"] == result["forecast"]["bytes"] > 0
    assert ("memory_bytes" in case) == (not case["name"].startswith("step")), case["name"]
profile = tiny["cases"][-1]["result"]["profile"]
assert sum(op["bytes"] for op in profile["ops"]) + profile["rest"]["bytes"] == tiny["cases"][-1]["result"]["bytes"]["total"]
assert late["cases"] == [{**late["cases"][0], "error": "took more than 0.01 s"}] and "result" not in late["cases"][0]
PYTHON

for line in '^| commit | [0-9a-f]\{40\}\|^| commit | unknown' '^| rsqrt=16384 | ' '^| bert-tiny | all | paper | 32 | 1 | 1 | ' '^### bert-tiny/paper/128/1/1' \
    '^| linear | 12 | ' '^| all | 37 | ' 'billion multiply-adds a second'; do
    grep -q "$line" "$work/tiny.md" || complain "no line '$line' in the Markdown"
done
grep -q '^| bert-tiny | all | exact | 128 | 8 | 1 | took more than 0.01 s |' "$work/late.md" || complain "a late case is not in the Markdown"
# every row of a table has as many cells as its header
awk -F'|' '/^\|---/ { cells = NF } /^\|/ && !/^\|---/ && cells { gsub(/\\\|/, ""); if (NF != cells) exit 1 } /^$/ { cells = 0 }' \
    "$work/tiny.md" "$work/late.md" || complain "a table's rows differ in length"

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
[ $failures = 0 ]
