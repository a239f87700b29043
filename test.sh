#!/usr/bin/env bash
# Set-up, then every test through ctest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

experiments/setup.sh build
experiments/setup.sh model || echo "test.sh: going on without MiniLM; the tests that need it are skipped" >&2
experiments/setup.sh capture || echo "test.sh: going on without tcpdump; nothing is captured" >&2
ctest --test-dir build --output-on-failure --parallel 2
