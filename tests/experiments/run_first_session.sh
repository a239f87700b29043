#!/usr/bin/env bash
# The README's first session goes as it stands there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v curl >/dev/null || { echo "skipped: curl is not installed (Debian: curl)"; exit 77; }
[ -d .cache/minilm ] || { echo "skipped: MiniLM is not there (experiments/setup.sh model)"; exit 77; }
TREFOIL=$1/trefoil experiments/first_session.sh --check
