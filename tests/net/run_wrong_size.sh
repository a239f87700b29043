#!/usr/bin/env bash
# A job of the wrong size ends with a clear error of every process and a failure status.
set -u
program=$1/tests/mpi_link_net
errors=0

for size in 2 4; do
    output=$(timeout -k 10 60 mpirun --oversubscribe -n $size "$program" join 2>&1)
    status=$?
    said=$(grep -c "exactly 3 processes are needed, this job has $size: start it with mpirun -n 3" <<<"$output")
    if [ $status -eq 0 ] || [ $status -eq 124 ] || [ "$said" -ne $size ]; then
        echo "$size processes: status $status, $said clear errors, output:"
        echo "$output"
        errors=1
    fi
done
exit $errors
