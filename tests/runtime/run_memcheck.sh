#!/usr/bin/env bash
# The protocol steps under valgrind: nothing uninitialised is sent, and no branch or address depends on a secret.
set -euo pipefail

build=$1
memcheck=$build/tests/test_memcheck_runtime
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed (experiments/setup.sh memcheck installs it)"; exit 77; }
if grep -q __asan_init "$memcheck"; then echo "skipped: built with sanitizers, which valgrind cannot run"; exit 77; fi

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
# each test is a process of its own; its messages go to a file of its own
valgrind --quiet --trace-children=yes --log-file="$log/%p" "$memcheck" --jobs 1 --timeout 500 || failed=1
# what memcheck says of the step that is to be noticed is expected, and named after the function that asks
if grep -h "^==" "$log"/* | grep -E "Conditional jump|Use of uninitialised|Invalid (read|write)|Syscall param" >&2; then
    cat "$log"/* >&2
    failed=1
fi
exit ${failed:-0}
