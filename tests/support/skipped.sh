#!/usr/bin/env bash
# skipped.sh BUILD: what the last run of ctest left out, a line a reason: the test, why, and what would let it run.
# Shell tests print "skipped: REASON" and end with status 77; tests of Criterion skip with a message.
set -euo pipefail
log=$1/Testing/Temporary/LastTest.log
[ -f "$log" ] || exit 0
awk '
    /^[0-9]+\/[0-9]+ Test: / { test = $3 }
    /^skipped: / { sub(/^skipped: /, ""); print "not run: " test ": " $0 }
    /\[SKIP\]/ { gsub(/\033\[[0-9;]*m/, ""); sub(/.*\[SKIP\] */, ""); print "not run: " test ": " $0 }
' "$log" | sort -u
