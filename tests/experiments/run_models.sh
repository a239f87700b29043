#!/usr/bin/env bash
# models/MODELS.md is what the command prints.
set -euo pipefail
file=$(dirname "${BASH_SOURCE[0]}")/../../models/MODELS.md
diff "$file" <("$1/trefoil" models) || { echo "FAILED: run trefoil models > models/MODELS.md"; exit 1; }
"$1/trefoil" models --json | python3 -c '
import json, sys
families = {f["family"]: f for f in json.load(sys.stdin)["families"]}
assert families["bert"]["architectures"]["BertForMaskedLM"] == "masked"
assert families["albert"]["only"]["inner_group_num"] == "1"'
