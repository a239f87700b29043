#!/usr/bin/env bash
# pytorch_model.bin becomes safetensors; a file that would execute something is refused.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make_tiny_model "$work/tiny"
python3 "$here/pytorch_files.py" "$here/../../experiments/convert/pytorch.py" "$1/trefoil" "$work"
