#!/usr/bin/env bash
# Whoever is done leaves the job with its own status within a deadline, also where another party is stopped on its own way
# out; mpirun ends whoever is left, and fails. Nobody is given up who still works.
set -u
build=$1
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

# job PROGRAM...: three processes of it, which write down their statuses, and what they say. Sets `status`, of mpirun.
job() {
    rm -f "$work"/status? "$work"/out? "$work"/err?
    timeout -k 5 60 mpirun --oversubscribe -n 3 bash -c 'trap "" TERM; n=$OMPI_COMM_WORLD_RANK work=$0
        "$@" >"$work/out$n" 2>"$work/err$n" </dev/null; echo $? >"$work/status$n"' "$work" "$@" >"$work/mpirun" 2>&1
    status=$?
}

# expect WHAT MPIRUN STATUS...: mpirun failed (1) or not (0), and the parties 0, 1, ... ended with these statuses.
expect() {
    local what=$1 fails=$2 n=0 wanted
    shift 2
    [ $((status != 0)) = "$fails" ] && [ $status != 124 ] || complain "$what: mpirun ended with $status: $(cat "$work/mpirun")"
    for wanted in "$@"; do
        [ "$(cat "$work/status$n" 2>/dev/null)" = "$wanted" ] ||
            complain "$what: party $n ended with $(cat "$work/status$n" "$work/err$n" 2>&1)"
        n=$((n + 1))
    done
}

program=$build/tests/mpi_link_net
job "$program" work
expect "a party that works for long" 0 0 0 0
job "$program" stop
expect "a party is stopped before it leaves" 1 0 0
job "$program" talk
expect "a party stops amid a long message" 1 0 0
job "$program" stop_in_finalize
expect "a party is stopped in MPI_Finalize" 1 0 0
job "$program" stop_and_fail
expect "one is stopped and one fails" 1 0
grep -q "config.json: missing" "$work/err1" || complain "who fails does not say why: $(cat "$work/err1")"

# The whole program: the data owner has its result, and stops when it is about to leave, at its second MPI_Finalized.
cat >"$work/stop.c" <<'C'
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
int MPI_Finalized(int *flag) {
    static int calls;
    if (!strcmp(getenv("OMPI_COMM_WORLD_RANK"), getenv("STOPS")) && calls++ == 1) raise(SIGSTOP);
    return PMPI_Finalized(flag);
}
C
if mpicc -shared -fPIC -o "$work/stop.so" "$work/stop.c" 2>/dev/null; then
    # shellcheck source=tests/support/tiny_model.sh
    . "$here/../support/tiny_model.sh"
    make_tiny_model "$work/tiny"
    for stops in 1 2; do
        job env LD_PRELOAD="$work/stop.so" STOPS=$stops "$build/trefoil" infer --model "$work/tiny" --text "good film" \
            --timeout 1 --json
        if [ $stops = 2 ]; then expect "party 2 stops" 1 0 0; else expect "the data owner stops" 1 0; fi
        [ $stops = 2 ] || [ "$(cat "$work/status2")" = 0 ] || complain "party 2 ended with $(cat "$work/status2" "$work/err2")"
        [ "$(grep -c '"index"' "$work/out1")" = 1 ] || complain "the result is not whole: $(cat "$work/out1")"
        [ ! -s "$work/err0" ] || complain "party 0 says: $(cat "$work/err0")"
    done
else
    echo "without mpicc: the whole program is not tried"
fi
conclude
