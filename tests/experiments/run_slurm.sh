#!/usr/bin/env bash
# A Slurm of three nodes on this machine, with daemons, keys and files of its own: the three parties as one step of srun,
# under mpirun inside of a batch job, and as `trefoil party`. Skipped where Slurm is not installed (Debian: slurm-wlm munge).
set -uo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
trefoil=$(cd "$1" && pwd)/trefoil
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
# shellcheck source=tests/support/slurm.sh
. "$here/../support/slurm.sh"

work=$(mktemp -d)
trap stop_slurm EXIT
start_slurm <<'CONF'
NodeName=n[0-2] NodeHostname=@HOST@ NodeAddr=127.0.0.1 Port=[@PORT1@-@PORT3@] CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
CONF

make_tiny_model "$work/tiny"
make_parties || exit 1
mkdir "$work/config_only" "$work/words_only"
cp "$work/tiny/config.json" "$work/config_only"
cp "$work/tiny"/{config.json,vocab.txt} "$work/words_only"
for ((i = 0; i < 16; i++)); do echo "good film hello world"; done >"$work/texts.txt"
model_of=("$work/tiny" "$work/words_only" "$work/config_only")
own() {
    echo "$trefoil" infer --parties "$work/parties.json" --identity "$work/id$1" --model "${model_of[$1]}" --json "${texts_of[$1]}"
}
texts_of=("" "--input $work/texts.txt" "")
whole() { [ "$(grep -o '"index"' "$1" | wc -l)" = 16 ]; }
step=(timeout -k 5 60 srun -N 3 -n 3 --ntasks-per-node=1)

# One step of srun, which brings the three together by PMIx. Each party has its own line.
if srun --mpi=list 2>&1 | grep -qw pmix; then
    for n in 0 1 2; do echo "$n $(own $n)"; done >"$work/steps.conf"
    "${step[@]}" --mpi=pmix --multi-prog "$work/steps.conf" >"$work/out" 2>"$work/err" || complain "srun: $(cat "$work/err")"
    whole "$work/out" || complain "srun: no 16 results: $(head -c 300 "$work/out")"
    "${step[@]}" --mpi=pmix "$trefoil" infer --model "$work/tiny" --input "$work/texts.txt" >"$work/out" 2>"$work/err" &&
        complain "srun without --parties did not refuse"
    grep -q "several hosts.*trefoil keygen" "$work/err" || complain "srun without --parties: $(cat "$work/err")"
    # The lines of HOSTS.md, as they stand.
    block() { sed -n '/^## Slurm/,$p' "$here/../../experiments/HOSTS.md" | awk -v wanted="$1" '/^```/ { n++; next } n == 2 * wanted - 1'; }
    mkdir "$work/site" && cp "$work/parties.json" "$work/texts.txt" "$work/site/"
    for n in 0 1 2; do cp -r "$work/id$n" "$work/site/key$n"; done
    cp -r "$work/tiny" "$work/site/M" && cp -r "$work/words_only" "$work/site/V" && cp -r "$work/config_only" "$work/site/C"
    block 1 >"$work/site/parties.conf"
    (cd "$work/site" && PATH=$(dirname "$trefoil"):$PATH timeout -k 5 60 $(block 2)) >"$work/out" 2>"$work/err" || complain "HOSTS.md, srun: $(cat "$work/err")"
    grep -q "^ *15 .*good film" "$work/out" || complain "HOSTS.md, srun: $(head -c 300 "$work/out")"
    # One party is killed: the step ends, with a reason that names it, and without a result.
    sed -i 's/--json/--batch 1 --timeout 5/' "$work/steps.conf"
    for ((i = 0; i < 9; i++)); do cat "$work/texts.txt"; done >"$work/more.txt" && mv "$work/more.txt" "$work/texts.txt"
    "${step[@]}" --mpi=pmix --multi-prog "$work/steps.conf" >"$work/out" 2>"$work/err" &
    job=$!
    for ((i = 0; i < 100; i++)); do
        victim=$(pgrep -f "^$trefoil infer .*--identity $work/id2 ") && break
        sleep 0.1
    done
    sleep 0.5
    [ -n "$victim" ] && kill -KILL "$victim"
    wait $job && complain "srun with a killed party says that all is well"
    [ ! -s "$work/out" ] || complain "srun with a killed party: a result was printed"
    grep -q "task 2: Killed" "$work/err" || complain "srun does not name the killed task: $(cat "$work/err")"
    head -16 "$work/texts.txt" >"$work/few.txt" && mv "$work/few.txt" "$work/texts.txt"
else
    echo "not tried: srun --mpi=pmix, which this Slurm does not have"
fi

# A batch job that starts mpirun, which finds its three nodes by itself.
{
    echo '#!/bin/sh'
    echo "exec mpirun -n 1 $(own 0) : -n 1 $(own 1) : -n 1 $(own 2)"
} >"$work/job.sh"
timeout -k 5 60 sbatch --wait -N 3 -n 3 --ntasks-per-node=1 -o "$work/job.out" "$work/job.sh" >"$work/out" 2>&1 ||
    complain "sbatch: $(cat "$work/out" "$work/job.out")"
whole "$work/job.out" || complain "sbatch: no 16 results: $(head -c 300 "$work/job.out")"

# Without MPI: srun only starts the three, who find each other by the parties file.
{
    echo "0 $trefoil party --id 0 --parties $work/parties.json --identity $work/id0 --model $work/tiny"
    echo "1 $trefoil party --id 1 --parties $work/parties.json --identity $work/id1 --input $work/texts.txt --json"
    echo "2 $trefoil party --id 2 --parties $work/parties.json --identity $work/id2"
} >"$work/apart.conf"
"${step[@]}" --multi-prog "$work/apart.conf" >"$work/out" 2>"$work/err" || complain "srun of trefoil party: $(cat "$work/err")"
whole "$work/out" || complain "srun of trefoil party: no 16 results: $(head -c 300 "$work/out")"

[ $failures = 0 ] && echo "all as it should be, with $(srun --version)"
exit $((failures > 0))
