#!/usr/bin/env bash
# Set-up, then every test through ctest.
#
#   ./test.sh                 in build/
#   ./test.sh --sanitized     in build/sanitized, with the address and undefined-behaviour sanitizers: ten minutes to an
#                             hour; without fuzzing, which has sanitizers of its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build=build jobs=2 left_out='^$'
case "${1:-}" in
"") ;;
--sanitized) build=build/sanitized left_out=run_fuzz_short ;;
*) echo "usage: ./test.sh [--sanitized]" >&2 && exit 2 ;;
esac
experiments/setup.sh build
experiments/setup.sh model || echo "test.sh: going on without MiniLM; the tests that need it are skipped" >&2
experiments/setup.sh stories || echo "test.sh: going on without stories15M; the tests that need it are skipped" >&2
experiments/setup.sh capture || echo "test.sh: going on without tcpdump; nothing is captured" >&2
if [ $build != build ]; then
    cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTREFOIL_SANITIZE=ON >/dev/null
    cmake --build $build --parallel $jobs >&2
fi
ctest --test-dir $build --output-on-failure --parallel $jobs --exclude-regex "$left_out"
