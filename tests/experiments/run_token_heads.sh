#!/usr/bin/env bash
# Entities, answers and words for masks are those of Hugging Face's pipelines, in the open and in private.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$(dirname "${BASH_SOURCE[0]}")/token_heads.py" "$1/trefoil" "$work"
