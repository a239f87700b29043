#!/usr/bin/env bash
# Sweeps: what is wrong with a spec is said with its line, points are computed once and gone on with after a kill, a result
# that was cut counts as none, two sweeps share a store, tables and comparisons, and the report.
set -uo pipefail
export TREFOIL=$1/trefoil
python=/usr/bin/python3
"$python" -c 'import tomllib' 2>/dev/null || { echo "skipped: /usr/bin/python3 is older than 3.11 (Debian: python3)"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
sweep() { "$TREFOIL" sweep "$@"; }

cat >"$work/spec.toml" <<'T'
title = "a test"
measure = ["cost", "time"]
repeats = 2

[models.tiny]
arch = "bert-tiny"

[axes]
approx = ["exact", "paper"]
seq = [8]
layers = [1]

[[zip]]
frac_bits = [16, 14]
network = ["none", "lan"]

[[exclude]]
approx = "exact"
network = "lan"
T

# refused STATUS TEXT SPEC-LINE...: a spec with lines of its own is refused with that text.
refused() {
    local status=$1 text=$2
    shift 2
    printf '%s\n' "$@" >"$work/wrong.toml"
    sweep "$work/wrong.toml" --list >"$work/out" 2>"$work/err"
    [ $? = "$status" ] || complain "$text: another status than $status"
    grep -qF -- "$text" "$work/err" || complain "no word of '$text' in: $(cat "$work/err")"
}
tiny=('[models.tiny]' 'arch = "bert-tiny"')
refused 2 "line 1: a spec has no 'mesure'; did you mean 'measure'?" 'mesure = ["cost"]' "${tiny[@]}"
refused 2 "line 4: axes has no axis 'sec'; did you mean 'seq'?" "${tiny[@]}" '[axes]' 'sec = [1]'
refused 2 "line 4: 'seq' is to have values that are a whole number each, not 'long'" "${tiny[@]}" '[axes]' 'seq = ["long"]'
refused 2 "there is no model 'tony'; did you mean 'tiny'?" "${tiny[@]}" '[axes]' 'model = ["tony"]'
refused 2 "'speed' cannot be measured" 'measure = ["speed"]' "${tiny[@]}"
refused 2 "needs either a path or an arch" '[models.none]' 'data = "x"'
refused 2 "there is no model" 'measure = ["cost"]'
refused 2 "Invalid value" 'measure = [' # TOML's own words
refused 1 "unknown variant 'rilu' of gelu" "${tiny[@]}" '[axes]' 'approx = ["gelu=rilu"]'
refused 1 "No such file" '[models.gone]' 'path = "/nowhere"'
refused 2 "line 4: network 'moon' is none of" "${tiny[@]}" '[axes]' 'network = ["moon"]'

refused 2 "line 1: 'repeats' is to be 1 or more, not 0" 'repeats = 0' "${tiny[@]}"
refused 2 "line 6: 'seq' is to be 1 or more, not 0" "${tiny[@]}" '[[axes]]' 'seq = [8]' '[[axes]]' 'seq = [16, 0]'
refused 2 "line 4: 'threads' is to be from 1 to 1024" "${tiny[@]}" '[axes]' 'threads = [5000]'
refused 2 "line 4: network '9ms,0mbit' is none of" "${tiny[@]}" '[axes]' 'network = ["9ms,0mbit"]'
refused 2 "line 1: 'zip' is to be tables" 'zip = [1]' "${tiny[@]}"
refused 2 "line 1: 'published' is to be tables" 'published = [1]' "${tiny[@]}"
refused 2 "line 6: a published 'bytes' is to be a number, not '1'" "${tiny[@]}" '[[published]]' 'source = "x"' 'where = { model = "tiny" }' 'figures = { bytes = "1" }'
refused 2 "line 1: nothing is to be measured" 'measure = []' "${tiny[@]}"
refused 2 "leaves everything out" "${tiny[@]}" '[[exclude]]'
refused 1 "there is nothing to do" "${tiny[@]}" '[[exclude]]' 'seq = 128'
refused 1 "models.tiny generates no text: it has no tokens = 5" "${tiny[@]}" '[axes]' 'tokens = [5]'

# Values with commas of the command line; a key twice, or out of its limits.
printf '%s\n' "${tiny[@]}" '[axes]' 'seq = [8]' >"$work/one.toml"
sweep "$work/one.toml" --list 'approx=["gelu=relu,softmax=relu", "exact"]' | grep "^2 points" >/dev/null || complain "values with commas are cut"
for words in "'seq=' stands twice:seq=8 seq=16" "on the command line: 'seq' is to be 1 or more:seq=0" "'repeats' is one number:repeats=1,2"; do
    # shellcheck disable=SC2086 # several words
    sweep "$work/one.toml" --list ${words##*:} >/dev/null 2>"$work/err"
    grep -qF "${words%:*}" "$work/err" || complain "${words##*:}: $(cat "$work/err")"
done

# The list: every combination but those excluded, with forecasts.
sweep "$work/spec.toml" --list >"$work/out" 2>"$work/err" || complain "--list: $(cat "$work/err")"
grep -q "^9 points: 0 done, 0 failed, 9 open" "$work/out" || complain "the list counts otherwise: $(tail -2 "$work/out")"

sweep "$work/spec.toml" --list network=lan >"$work/out" 2>"$work/err" # of the zip, what stands beside it
grep -q "^3 points:" "$work/out" && [ "$(grep -c "^open .* lan " "$work/out")" = 3 ] || complain "a zip's values are not chosen: $(cat "$work/out")"

# Half of it, killed; then the rest. What is done stays as it was.
store=$work/store
sweep "$work/spec.toml" --out "$store" measure=cost >/dev/null 2>"$work/err" || complain "costs: $(cat "$work/err")"
sums() { (cd "$store/results" && sha256sum -- *.json); }
sums >"$work/before"
sweep "$work/spec.toml" --out "$store" >/dev/null 2>"$work/err" &
job=$!
until [ "$(find "$store/results" -name '*.json' | wc -l)" -gt "$(wc -l <"$work/before")" ] || ! kill -0 $job 2>/dev/null; do sleep 0.05; done
kill -TERM $job
wait $job && complain "a sweep that was ended says that all is well"
sweep "$work/spec.toml" --out "$store" -j 2 >/dev/null 2>"$work/err" || complain "going on: $(cat "$work/err")"
(cd "$store/results" && sha256sum --check --status "$work/before") || complain "what was done was computed again"
sweep "$work/spec.toml" --out "$store" --list | grep "^9 points: 9 done" >/dev/null || complain "not all is done: $(sweep "$work/spec.toml" --out "$store" --list | tail -2)"

# A result that was cut counts as none and is computed again; a sweep of nothing new computes nothing.
one=$(find "$store/results" -name '*.json' | sort | head -1)
head -c 40 "$one" >"$work/cut" && mv "$work/cut" "$one"
sweep "$work/spec.toml" --out "$store" --list | grep "8 done, 0 failed, 1 open" >/dev/null || complain "a cut result counts"
# Two sweeps at once: each point once.
sweep "$work/spec.toml" --out "$store" >/dev/null 2>"$work/err1" &
sweep "$work/spec.toml" --out "$store" >/dev/null 2>"$work/err2" || complain "the second sweep: $(cat "$work/err2")"
wait $! || complain "the first sweep: $(cat "$work/err1")"
[ "$(cat "$work/err1" "$work/err2" | grep -c '^[0-9]*/[0-9]* done')" -ge 1 ] || complain "nobody computed what was cut"

# Tables: medians, filters, groups; forecasts are what was measured.
sweep "$store" --table json >"$work/rows" || complain "--table json"
"$python" - "$work/rows" <<'P' || complain "the rows are not as they should be"
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) == 6, rows
for row in rows:
    assert row["bytes"] > 0 and row["rounds"] > 0, row
    if row["measure"] == "time":
        assert row["points"] == 2 and row["fastest"] <= row["seconds"] <= row["slowest"], row
        same = [r for r in rows if r["measure"] == "cost" and r["approx"] == row["approx"] and r["frac_bits"] == row["frac_bits"]]
        assert same and same[0]["bytes"] == row["bytes"] and same[0]["rounds"] == row["rounds"], (row, same)
P
[ "$(sweep "$store" --table csv --where measure=cost --where approx=paper | wc -l)" = 3 ] || complain "--where"
[ "$(sweep "$store" --table csv --where measure=time --by approx | wc -l)" = 3 ] || complain "--by"
sweep "$store" --table md --where colour=red >/dev/null 2>"$work/err"
[ $? = 2 ] || complain "--where takes any column"
sweep "$store" --compare "$store" | grep "nothing differs" >/dev/null || complain "a store differs from itself"
cp -r "$store" "$work/other"
sed -i 's/"rounds": \([0-9]*\)/"rounds": 1\1/' "$work"/other/results/*.json
sweep "$work/other" --compare "$store" >"$work/out" && complain "more rounds are no worse"
grep -q "rounds .* -> 1" "$work/out" || complain "the comparison says: $(cat "$work/out")"
sweep "$store" --pack "$work/pack.tar.gz" && tar -tzf "$work/pack.tar.gz" | grep "store/results/" >/dev/null || complain "--pack"

# Files of a store that are damaged, of whatever form, count as not there, and are spoken of.
cp -r "$store" "$work/damaged"
one=$(find "$work/damaged/results" -name '*.json' | sort | head -1)
echo '{"digest": "'"$(basename "$one" .json)"'", "label": [], "measure": 3}' >"$one"
echo 3 >"$work/damaged/results/other.json"
mkdir "$work/damaged/results/folder.json"
for file in forecasts.jsonl digests.json specs/more.toml results/bytes.json; do printf '\xff\xfe[1]\n' >"$work/damaged/$file"; done
for look in "--table csv" "--report $work/damaged.html" "--report $work/damaged.md"; do
    # shellcheck disable=SC2086 # two words
    sweep "$work/damaged" $look >/dev/null 2>"$work/err" || complain "a damaged store, $look: $(tail -1 "$work/err")"
    grep -q "warning: 4 of 12 files" "$work/err" || complain "a damaged store, $look: $(cat "$work/err")"
done
sweep "$work/spec.toml" --out "$work/damaged" --list 2>&1 | grep "8 done, 0 failed, 1 open" >/dev/null || complain "a damaged store is not gone on with"
echo '[1, 2]' >"$work/damaged/digests.json"
sweep "$work/spec.toml" --out "$work/damaged" >/dev/null 2>"$work/err" || complain "a damaged store is not mended: $(cat "$work/err")"
mkdir -p "$work/damaged/jobs" && echo '{"task": 1,' >"$work/damaged/jobs/1.points"
sweep "$work/damaged" --task "$work/damaged/jobs/1.points:1" 2>"$work/err" && complain "a cut list of points is no failure"
grep -q "no list of points, or was cut" "$work/err" || complain "a cut list of points: $(cat "$work/err")"

# What is of a store is not of a spec, and the other way about.
sweep "$work/spec.toml" --table csv 2>"$work/err" && complain "a spec has a table"
grep -q "is of a store, and .*spec.toml is none" "$work/err" || complain "a spec's table: $(cat "$work/err")"
for word in --list seq=8 "--out $work/x"; do
    # shellcheck disable=SC2086 # two words
    sweep "$store" $word >"$work/out" 2>"$work/err" && complain "a store takes $word"
    grep -q "store is a store, and .* is of a spec" "$work/err" || complain "a store with $word: $(cat "$work/err")"
done

# Failures are kept with their reason, and tried again only when asked to.
printf '%s\n' 'measure = ["time"]' 'timeout = 0' "${tiny[@]}" '[axes]' 'seq = [8]' >"$work/late.toml"
sweep "$work/late.toml" --out "$work/late" >/dev/null 2>&1 && complain "a point that takes too long is no failure"
sweep "$work/late" --table csv | grep "took more than 0 s" >/dev/null || complain "the reason is lost: $(sweep "$work/late" --table csv)"
sweep "$work/late.toml" --out "$work/late" 2>&1 | grep "took more" >/dev/null && complain "a failure is tried again unasked"

# A model that goes away, or changes, while a sweep is at it: the reason is in the table, nothing else is lost, and with the
# model back the sweep goes on.
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
make_tiny_model "$work/model"
{ printf 'sentence\tlabel\n' && for i in {1..6}; do printf 'good film hello world\tred\nbad film .\tgreen\n'; done; } >"$work/labelled.tsv"
printf '%s\n' 'measure = ["time"]' 'repeats = 6' '[models.mine]' "path = \"$work/model\"" '[axes]' 'seq = [8]' >"$work/mine.toml"
sweep "$work/mine.toml" --out "$work/mine" >/dev/null 2>"$work/err" &
job=$!
until [ -n "$(find "$work/mine/results" -name '*.json' 2>/dev/null)" ] || ! kill -0 $job 2>/dev/null; do sleep 0.05; done
mv "$work/model" "$work/away"
wait $job && complain "a sweep without its model says that all is well"
sweep "$work/mine" --table csv >"$work/out"
grep -q "went away\|No such file\|cannot be read" "$work/out" || complain "the reason is lost: $(cat "$work/out" "$work/err")"
sweep "$work/mine.toml" --out "$work/mine" >"$work/out" 2>&1
grep -q "models.mine: No such file" "$work/out" || complain "a missing model is not named: $(cat "$work/out")"
mv "$work/away" "$work/model"
sweep "$work/mine.toml" --out "$work/mine" --retry-failed >/dev/null 2>"$work/err" || complain "with the model back: $(cat "$work/err")"
sweep "$work/mine.toml" --out "$work/mine" --list | grep "^6 points: 6 done" >/dev/null || complain "not all is done with the model back"

# A program that is built anew while a sweep is at it ends the sweep: no result of the new one bears the old one's name.
printf '%s\n' '#!/bin/sh' "[ \"\$1\" != bench ] || [ ! -e $work/store/results ] || { cp $work/replaced $work/anew && echo '# another' >>$work/anew && mv $work/anew $work/replaced; }" \
    "exec $TREFOIL \"\$@\"" >"$work/replaced"
chmod +x "$work/replaced"
TREFOIL=$work/replaced "$TREFOIL" sweep "$work/late.toml" --out "$work/anew.store" timeout=60 repeats=2 >/dev/null 2>"$work/err" &&
    complain "a program that changes is no failure"
grep -q "replaced has changed since the sweep began" "$work/err" || complain "a program that changes: $(cat "$work/err")"
[ -z "$(find "$work/anew.store/results" -name '*.json')" ] || complain "the result of another program was kept"

# Layers that the model has not, columns and labels that the data has not, and more memory than there is, all beforehand.
refused 1 "layernorm@9: the model's layers are 0 to 1" "${tiny[@]}" '[axes]' 'approx = ["layernorm@9=center"]'
mine=('measure = ["accuracy"]' '[models.mine]' "path = \"$work/model\"" "data = \"$work/labelled.tsv\"")
refused 1 "pink" "${mine[@]}" 'columns = "text=pink"'
refused 1 "needs three times" 'measure = ["time"]' '[models.large]' 'arch = "bert-large"' '[axes]' 'seq = [512]' 'batch = [512]'
refused 1 "time is of the prompt" 'measure = ["time"]' '[models.gpt]' 'arch = "gpt2"' '[axes]' 'tokens = [9]'
refused 2 "line 4: 'bites' is no figure" "${tiny[@]}" '[[published]]' 'figures = { bites = 1 }' 'source = "x"' 'where = { model = "tiny" }'
printf '%s\n' 'measure = ["accuracy"]' '[models.mine]' "path = \"$work/model\"" "data = \"$work/labelled.tsv\"" '[axes]' \
    'approx = ["exact", "gelu=quad"]' >"$work/data.toml"
sweep "$work/data.toml" --list 2>&1 | grep "warning: mine, gelu=quad: the weights were not trained for gelu=quad" >/dev/null ||
    complain "no warning of weights that were not trained for gelu=quad"

# A data set's prefix grows: what was computed stays, and its network and length do not count.
sweep "$work/data.toml" --out "$work/data" limit=4 approx=exact network=none,lan seq=8,12 >/dev/null 2>"$work/err" ||
    complain "accuracy: $(cat "$work/err")"
[ "$(find "$work/data/results" -name '*.json' | wc -l)" = 1 ] || complain "accuracy was computed more than once"
examples=$(head -n 5 "$work"/data/predictions/*.jsonl | tail -n 4)
sweep "$work/data.toml" --out "$work/data" approx=exact limit=10 >/dev/null 2>"$work/err" || complain "a grown limit: $(cat "$work/err")"
[ "$(head -n 5 "$work"/data/predictions/*.jsonl | tail -n 4)" = "$examples" ] || complain "what was computed of a data set was computed again"
sweep "$work/data" --table json | grep '"examples": 10' >/dev/null || complain "the limit did not grow"
sweep "$work/data.toml" --out "$work/data" approx=exact limit=3 --list | grep "1 done" >/dev/null || complain "a smaller limit is not served"

# A calibration for one approximation leaves the results of the others as they are, and is taken for its own.
sweep "$work/data.toml" --out "$work/ranged" measure=cost seq=8 >/dev/null 2>"$work/err" || complain "costs: $(cat "$work/err")"
"$TREFOIL" calibrate --model "$work/model" --data "$work/labelled.tsv" >/dev/null || complain "calibrate"
sweep "$work/data.toml" --out "$work/ranged" measure=cost seq=8 --list >"$work/out" 2>"$work/err"
grep -q "^2 points: 1 done, 0 failed, 1 open" "$work/out" || complain "a calibration concerns others: $(tail -2 "$work/out")"
grep -q "warning: mine, gelu=quad: ranges.json has no ranges for gelu=quad" "$work/err" || complain "no word of missing ranges: $(cat "$work/err")"
"$TREFOIL" calibrate --model "$work/model" --data "$work/labelled.tsv" --approx gelu=quad >/dev/null || complain "calibrate"
sweep "$work/data.toml" --out "$work/ranged" measure=cost seq=8 >/dev/null 2>"$work/err" || complain "with ranges of both: $(cat "$work/err")"
[ "$(find "$work/ranged/results" -name '*.json' | wc -l)" = 4 ] || complain "not one result without and one with ranges for each"
rm "$work"/model/ranges*.json

# Groups of three divide a data set: the same examples, and what they come to.
sweep "$work/data.toml" --out "$work/groups" approx=exact groups=2 >/dev/null 2>"$work/err" || complain "two groups: $(cat "$work/err")"
sweep "$work/data.toml" --out "$work/data" approx=exact limit=0 >/dev/null 2>"$work/err" || complain "one group: $(cat "$work/err")"
"$python" - "$work/groups" "$work/data" <<'P' || complain "two groups come to something else than one"
import json, pathlib, sys
two, one = (json.loads(next(pathlib.Path(s, "results").glob("*.json")).read_text()) for s in sys.argv[1:])
assert two["command"][:3] == ["mpirun", "-n", "6"] and two["result"]["groups"] == 2, two["command"]
assert two["settings"] == one["settings"] and two["digest"] == one["digest"]
assert two["figures"]["examples"] == one["figures"]["examples"] == 12 and two["figures"]["value"] == one["figures"]["value"]
P

# A full disk ends the sweep with the reason, and leaves no half of a result; --fail-fast stops at the first failure.
if mkdir "$work/small" && mount -t tmpfs -o size=96k tmpfs "$work/small" 2>/dev/null; then
    head -c 60k /dev/zero >"$work/small/ballast"
    sweep "$work/spec.toml" --out "$work/small/store" >/dev/null 2>"$work/err" && complain "a full disk is no failure"
    grep -qi "no space left" "$work/err" || complain "a full disk: $(cat "$work/err")"
    [ -z "$(find "$work/small/store" -name '*.tmp')" ] || complain "a full disk leaves halves: $(find "$work/small/store")"
    rm "$work/small/ballast"
    sweep "$work/small/store" --table csv >/dev/null || complain "a store on a full disk cannot be read"
    umount "$work/small"
else
    echo "not tried: a full disk, which needs to mount one"
fi
printf '%s\n' 'measure = ["time"]' 'timeout = 0' 'repeats = 4' "${tiny[@]}" '[axes]' 'seq = [8]' >"$work/fast.toml"
sweep "$work/fast.toml" --out "$work/fast" --fail-fast >/dev/null 2>&1 && complain "--fail-fast says that all is well"
[ "$(find "$work/fast/results" -name '*.json' | wc -l)" = 1 ] || complain "--fail-fast goes on: $(find "$work/fast/results")"

# Time of generating after prompts, whose parts add up; a decoder's perplexity.
make_tiny_decoder "$work/decoder"
printf 'once upon a time .\nthere was a fox\n' >"$work/prompts.txt"
printf '%s\n' 'measure = ["time", "perplexity"]' '[models.mine]' "path = \"$work/decoder\"" "prompts = \"$work/prompts.txt\"" \
    "data = \"$work/prompts.txt\"" 'columns = "text=1"' '[axes]' 'seq = [6]' 'tokens = [5]' >"$work/decoder.toml"
sweep "$work/decoder.toml" --out "$work/decoded" >/dev/null 2>"$work/err" || complain "decoder: $(cat "$work/err")"
"$python" - "$work/decoded" <<'P' || complain "the decoder's figures are not as they should be"
import json, pathlib, sys
results = [json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1], "results").glob("*.json")]
by = {r["measure"]: r["figures"] for r in results}
time = by["time"]
assert time["prefill"] > 0 and abs(time["setup"] + time["seconds"] - time["total"]) < 1e-6 and time["bytes"] > 0 and time["rounds"] > 0, time
assert by["perplexity"]["value"] > 1 and by["perplexity"]["examples"] == 2, by
P

# Options of the program are axes: of the commands that have them, and of no others. Several tables of axes.
cat >"$work/options.toml" <<T
[models.mine]
path = "$work/decoder"
prompts = "$work/prompts.txt"
[[axes]]
measure = ["cost", "time"]
seq = [6]
tokens = [3]
public_weights = [false, true]
draft = ["ngram"]
draft_tokens = [2]
[[axes]]
measure = ["cost"]
seq = [5]
plaintext_links = [true, false]
T
sweep "$work/options.toml" --out "$work/options" >/dev/null 2>"$work/err" || complain "options: $(cat "$work/err")"
"$python" - "$work/options" <<'P' || complain "options do not come to what they should"
import json, pathlib, sys
results = [json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1], "results").glob("*.json")]
assert len(results) == 5, [r["label"] for r in results]
by = {(r["measure"], r["label"]["seq"], r["label"].get("public_weights", False)): r for r in results}
assert by["cost", 6, True]["figures"]["bytes"] < by["cost", 6, False]["figures"]["bytes"]
for public in (True, False):
    command = by["time", 6, public]["command"]
    assert ("--public-weights" in command) == public and command[command.index("--draft") + 1] == "ngram", command
    assert "draft" not in by["cost", 6, public]["label"] and by["cost", 6, public]["label"]["draft_tokens"] == 2
P
printf '%s\n' 'measure = ["time"]' "${tiny[@]}" '[axes]' 'planned_for = ["measured"]' 'seq = [8]' >"$work/measured.toml"
sweep "$work/measured.toml" --out "$work/measured" >/dev/null 2>"$work/err" || complain "planned for what is measured: $(cat "$work/err")"
grep -q '"--network",' "$work"/measured/results/*.json || complain "what is measured is not planned for: $(cat "$work"/measured/results/*.json)"
drafted=('measure = ["time"]' '[models.mine]' "path = \"$work/decoder\"" "prompts = \"$work/prompts.txt\"" '[axes]' 'seq = [6]' 'tokens = [3]')
refused 1 "draft = \"/nowhere\": No such file" "${drafted[@]}" 'draft = ["/nowhere"]'
refused 1 "holds a model that generates no text" "${drafted[@]}" "draft = [\"$work/model\"]"
: >"$work/empty.txt"
refused 1 "empty.txt holds no text" "${drafted[@]/prompts.txt/empty.txt}"
refused 2 "line 4: 'keep' is to have values that are a whole number each" "${tiny[@]}" '[axes]' 'keep = [true]'

# Submitting, to commands in the place of Slurm's: sbatch gets its options and an array, whose tasks hold every open point.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >%s/sbatch\necho 7\n' "$work" >"$work/bin/sbatch"
printf '#!/bin/sh\necho "MaxArraySize = 1001"\n' >"$work/bin/scontrol"
chmod +x "$work/bin/sbatch" "$work/bin/scontrol"
PATH=$work/bin:$PATH sweep "$work/spec.toml" --out "$work/queued" --slurm "--partition=short" >"$work/out" 2>"$work/err" ||
    complain "--slurm: $(cat "$work/err")"
grep -q "^job 7: 9 points in" "$work/out" || complain "--slurm says: $(cat "$work/out")"
grep -q -- "--partition=short" "$work/sbatch" || complain "sbatch got: $(cat "$work/sbatch")"
[ "$(wc -l <"$work/queued/jobs/1.points")" = 9 ] || complain "the tasks hold $(wc -l <"$work/queued/jobs/1.points") points"
bash -n "$work/queued/jobs/1.sh" || complain "the job is no script"

# A node that starts no parties is no failure of the point, which stays open; a party's own failure is one.
cat >"$work/bin/srun" <<'W'
#!/bin/sh
[ "$1" != --mpi=list ] || exec echo pmix
cat "$0.says" >&2
exit 1
W
chmod +x "$work/bin/srun"
allocated() { SLURM_JOB_ID=1 SLURM_NTASKS=3 PATH=$work/bin:$PATH sweep "$work/late.toml" timeout=60 --out "$work/nodes" >/dev/null 2>"$work/err"; }
echo "srun: error: Task launch for StepId=2.2 failed on node n0: Communication connection failure" >"$work/bin/srun.says"
allocated && complain "a node that fails is no failure"
grep -q "failed on node n0" "$work/err" || complain "a node that fails: $(cat "$work/err")"
[ -z "$(find "$work/nodes/results" -name '*.json')" ] || complain "a node that fails fails the point"
printf 'trefoil: party 1: a reason\nsrun: error: n0: task 1: Exited with exit code 1\n' >"$work/bin/srun.says"
allocated && complain "a party that fails is no failure"
grep -q '"error": "party 1: a reason"' "$work"/nodes/results/*.json || complain "a party that fails: $(cat "$work/err")"

# The report is one page that loads nothing.
sweep "$store" --report "$work/report.html" 2>"$work/err" || complain "--report: $(cat "$work/err")"
grep -qE '(src|href)="?https?:' "$work/report.html" && complain "the report loads something"
"$python" -c 'import matplotlib' 2>/dev/null && { grep -q '<svg' "$work/report.html" || complain "no plot is drawn"; }
conclude
