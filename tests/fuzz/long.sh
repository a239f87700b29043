#!/usr/bin/env bash
# long.sh [EXECUTIONS [TARGET...]]: runs every fuzz target, or those named, for so many executions (1000000), in
# build/fuzz. What has been found worth keeping stays in build/fuzz/corpus/, and what made a target fail beside it. An
# input may take ten minutes, which are not the process's own: where much else runs, it may wait for minutes itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$PWD/build/fuzz
. tests/fuzz/targets.sh

executions=${1:-1000000}
[ $# = 0 ] || shift
obstacle=$(fuzz_obstacle)
[ -z "$obstacle" ] || {
    echo "no fuzzing: $obstacle" >&2
    exit 77
}
fuzz_build
fuzz_seeds "$build/corpus"
failed=0
for target in ${*:-$fuzz_targets}; do
    log=$build/$target.log
    if fuzz_run "$target" "$build/corpus/$target" -runs="$executions" -timeout=600 >"$log"; then result=clean; else result=FAILED failed=1; fi
    echo "$target: $result, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(
        sed -n 's/^stat::average_exec_per_sec: *//p' "$log") a second"
    [ $result = clean ] || tail -40 "$log"
done
exit $failed
