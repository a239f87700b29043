#!/usr/bin/env bash
# When a party fails, falls silent or sends something else, the whole job ends by itself and each party says why.
set -u
program=$1/tests/mpi_link_net
errors=0

# expect MODE COUNT TEXT: the job ends with a failure status, and COUNT processes say TEXT.
expect() {
    local output status said
    output=$(timeout -k 10 60 mpirun --oversubscribe -n 3 "$program" "$1" 2>&1)
    status=$?
    said=$(grep -c "$3" <<<"$output")
    if [ $status -eq 0 ] || [ $status -eq 124 ] || [ "$said" -ne "$2" ]; then
        echo "$1: status $status, $said times \"$3\", output:"
        echo "$output"
        errors=1
    fi
}

expect fail 1 "^error: config.json: missing"
expect fail 2 "^error: party 1 failed: config.json: missing"
expect silent 2 "party 2 took nothing for 1 s (waiting to send 33554432 bytes)"
expect differ 1 "^error: party 1 sent 1048576 bytes where party 0 expected 524288"
expect differ 1 "^error: party 0 failed: party 1 sent 1048576 bytes"
exit $errors
