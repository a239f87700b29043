#!/usr/bin/env bash
# From a clean clone to a report: builds, fetches two small models, fits a classifier, measures, and writes one page.
#
#   experiments/sweep/first_report.sh [DIR [KEY=V1,V2]...]     the store and DIR.html (default first-report); a few minutes
#                                                              on two cores; what is done is not done again
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

store=${1:-first-report}
shift || true
[ -x build/trefoil ] || experiments/setup.sh program
for part in model stories; do experiments/setup.sh $part; done
/usr/bin/python3 -c 'import matplotlib' 2>/dev/null || experiments/setup.sh plots ||
    echo "going on without python3-matplotlib: the page will have tables and no plots" >&2
model=.cache/minilm-banking77
[ -f $model/model.safetensors ] ||
    build/trefoil fit-head --model .cache/minilm --data experiments/data/banking77_sample.tsv --out $model
build/trefoil sweep experiments/sweep/specs/quick.toml --out "$store" "$@"
build/trefoil sweep "$store" --report "$store.html"
echo "open $store.html"
