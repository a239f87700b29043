#!/usr/bin/env bash
# numpy.sh SCRIPT: runs a script that ends with 77 without NumPy, by the first Python that has it. 77 skips a test.
for python in /usr/bin/python3 python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" "$1"
    status=$?
    [ $status = 77 ] || exit $status
done
echo "skipped: no Python has NumPy (experiments/setup.sh reference installs it)"
exit 77
