#!/usr/bin/env bash
# Every test that the documents name for a claim exists.
set -uo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
status=0 named=0
for document in net/THREAT-MODEL.md runtime/PROTOCOLS.md models/SHARES.md net/LINKS.md; do
    while read -r test; do
        named=$((named + 1))
        [ -e "$tests/$test" ] || [ -e "$tests/$test.c" ] || [ -e "$tests/$test.sh" ] && continue
        echo "FAILED: $document names the test $test, which is not there"
        status=1
    done < <(grep -oE '`(net|runtime|ops|models|experiments|fuzz|reference|house)/(test|run|mpi|long)_[a-z_0-9]+(\.sh)?' \
        "$tests/../$document" | tr -d '\`' | sort -u)
done
[ $named -gt 40 ] || { echo "FAILED: only $named tests are named: the pattern does not fit"; status=1; }
[ $status = 0 ] && echo "$named tests are named, all exist"
exit $status
