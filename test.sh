#!/usr/bin/env bash
# Set-up, then every test through ctest.
#
#   ./test.sh                 in build/
#   ./test.sh --all           installs first what some tests need and are skipped without: Slurm, matplotlib, Chromium,
#                             PyTorch, NumPy, Valgrind
#   ./test.sh --sanitized     in build/sanitized, with the address and undefined-behaviour sanitizers: ten minutes to an
#                             hour; without fuzzing, which has sanitizers of its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build=build jobs=2 left_out='^$' optional=()
case "${1:-}" in
"") ;;
--all) optional=(cluster plots browser oracle finetune reference memcheck) ;;
--sanitized) build=build/sanitized left_out=run_fuzz_short ;;
*) echo "usage: ./test.sh [--all | --sanitized]" >&2 && exit 2 ;;
esac
experiments/setup.sh build
for part in model stories capture client "${optional[@]}"; do
    experiments/setup.sh "$part" || echo "test.sh: going on without '$part'; the tests that need it are skipped" >&2
done
if [ $build != build ]; then
    cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTREFOIL_SANITIZE=ON >/dev/null
    cmake --build $build --parallel $jobs >&2
fi

# What was skipped, and why, stands before ctest's closing lines.
closing=$(mktemp)
trap 'rm -f "$closing"' EXIT
status=0
ctest --test-dir $build --output-on-failure --parallel $jobs --exclude-regex "$left_out" |
    sed -u -e "/^[0-9]*% tests passed/,\$ { w $closing" -e 'd; }' ||
    status=$?
tests/support/skipped.sh $build
cat "$closing"
exit $status
