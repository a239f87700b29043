#!/bin/bash
# ops/FIDELITY.md is what the command prints, but for the errors of private runs, which depend on fresh keys, and for
# formulas' errors within 2% (mathematical libraries differ in last digits). The command itself fails where an op leaves
# its bound.
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
file=$(dirname "$0")/../../ops/FIDELITY.md

"$1/trefoil" ops --fidelity >"$work/now" || exit 1
"$1/trefoil" ops silu --fidelity >"$work/kind" && [ "$(grep -c '^| [a-z]' "$work/kind")" = 3 ] && grep -q '^| silu | exact' "$work/kind" ||
    { echo "ops silu --fidelity has not two rows: $(cat "$work/kind")"; exit 1; }
awk -F' [|] ' -v now="$work/now" -v file="$file" '
function complain(text) { print "ops/FIDELITY.md " text "; run trefoil ops --fidelity > ops/FIDELITY.md"; bad = 1; exit }
function differ(a, b) { return a != b && (a == "-" || b == "-" || a - b > 0.02 * b || b - a > 0.02 * a) }
{
    if ((getline other < file) <= 0) complain("ends before: " $0)
    n = split(other, old, " [|] ")
    if (n != NF) complain("has \"" other "\" where this is due: " $0)
    for (i = 1; i <= NF; i++) {
        formula = NF == 11 && FNR > 15 && (i == 6 || i == 7)
        private = NF == 11 && FNR > 15 && i > 9
        if (private) continue
        if (formula ? differ($i, old[i]) : $i != old[i]) complain("has \"" old[i] "\" where this is due: " $i " in " $0)
    }
    if ($0 ~ /^[|]/) rows++
}
END {
    if (!bad && (getline other < file) > 0) { print "ops/FIDELITY.md has more lines, from: " other; bad = 1 }
    if (!bad && rows < 30) { print "only " rows " rows"; bad = 1 }
    exit bad
}' "$work/now"
