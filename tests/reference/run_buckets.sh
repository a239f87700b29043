#!/usr/bin/env bash
# Runs the executable reference of how the buckets of a row is found, with the first Python that has numpy.
here=$(dirname "${BASH_SOURCE[0]}")
for python in /usr/bin/python3 python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" "$here/buckets.py"
    status=$?
    [ $status = 77 ] || exit $status
done
echo "skipped: no Python has NumPy (experiments/setup.sh reference installs it)"
exit 77
