#!/usr/bin/env bash
# run_fuzz_short.sh BUILD: every fuzz target for three seconds, and whether all of its seeds are read as they should be.
set -euo pipefail
parent=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$parent/fuzz
. tests/fuzz/targets.sh

obstacle=$(fuzz_obstacle)
if [ -n "$obstacle" ]; then
    echo "skipped: no fuzzing, $obstacle"
    exit 77
fi
fuzz_build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fuzz_seeds "$work"
failed=0
for target in $fuzz_targets; do
    seeds=$(find "$work/$target" -type f | wc -l)
    if ! fuzz_run "$target" "$work/$target" -max_total_time=3 >"$work/$target.log"; then
        failed=1
        echo "FAILED: $target"
        tail -40 "$work/$target.log"
        for input in "$work"/found-"$target"-*; do [ ! -f "$input" ] || base64 "$input"; done
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
    if [ "$seeds" = 0 ] || [ "${executions:-0}" -le "$seeds" ]; then
        failed=1
        echo "FAILED: $target: ${executions:-0} executions, of $seeds seeds alone"
    fi
    echo "$target: ${executions:-0} executions"
done
exit $failed
