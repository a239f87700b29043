#!/usr/bin/env bash
# The whole performance table: the link, protocol steps, products, models, and where the time of models goes. Writes
# NAME.json and NAME.md, with medians, the fastest and slowest run, and what machine it was.
#
#   experiments/bench/run.sh [OPTION]...     hours; an idle machine is what makes figures comparable
#     --quick           steps, products, BERT-tiny, and BERT-base at 128 tokens: minutes
#     --only REGEX      of these, cases whose name matches (grep -E), such as 'model/bert-base/paper'
#     --list            print the names of the cases and measure nothing
#     --runs N          runs of each case (default 5; large models 3; with --quick 3 and 1)
#     --network NAME    simulate a network: lan, wan or DELAYms,RATEmbit
#     --plaintext       do not encrypt
#     --local           three threads of one process, not encrypted, instead of three processes under mpirun
#     --timeout SECONDS for each case (default 3600)
#     --out DIR         (default experiments/results/bench)
#     --name NAME       of the two files (default full, or quick)
#
# A case that fails, takes too long or needs more memory than there is stands in the table with the reason. TREFOIL names
# another program than build/trefoil. Needs Debian's python3, without packages, to write the table.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
trefoil=${TREFOIL:-$root/build/trefoil}
out=$root/experiments/results/bench name="" only=. runs="" network="" timeout=3600
quick=false list=false local=false plaintext=false
command="experiments/bench/run.sh $*"

fail() {
    echo "bench: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case "$1" in
    --quick | --list | --local | --plaintext) declare "${1#--}=true" ;;
    --only | --runs | --network | --timeout | --out | --name)
        [ $# -gt 1 ] || fail "$1 needs a value"
        declare "${1#--}=$2"
        shift
        ;;
    *) fail "'$1' is not an option; the first lines of this file explain what there is" ;;
    esac
    shift
done
if $quick; then name=${name:-quick}; else name=${name:-full}; fi
cores=$(nproc)

# cases: a line for each, its name and the arguments of trefoil bench. The name begins with the kind of the case, then says
#   step/NAME=ELEMENTS   matmul/MxKxN   model/ARCH/APPROX/TOKENS/BATCH/THREADS   layers/ARCH/APPROX/TOKENS/LAYERS
cases() {
    local step size arch approx length batch threads
    echo "link/64MiB --link"
    for step in multiply=1000000 multiply_wide=1000000 truncate=1000000 truncate_wide=1000000 lift=1000000 \
        sign=393216 sign_low=393216 bit_to_share=393216 relu=393216 multiply_relu=393216 maximum=393216 \
        exp2=196608 exponential=196608 lookup=65536 reciprocal=16384 rsqrt=16384; do
        echo "step/$step --step ${step%=*} --n ${step#*=}"
    done
    for size in 128x768x768 128x768x3072 128x3072x768; do echo "matmul/$size --matmul $size"; done
    for arch in bert-{tiny,mini,small,medium,base,large}; do
        for approx in paper exact; do
            for length in 32 128 512; do
                for batch in 1 8; do
                    if $quick; then
                        case $arch/$length/$batch in bert-tiny/32/* | bert-tiny/128/* | bert-base/128/1) ;; *) continue ;; esac
                    fi
                    echo "model/$arch/$approx/$length/$batch/1 $(model) --batch $batch --threads 1"
                done
            done
        done
    done
    # as many threads as there are cores, and how a model grows with its layers
    arch=bert-base length=128
    for approx in paper exact; do
        if $quick; then continue; fi
        for ((threads = 2; threads <= cores; threads *= 2)); do
            echo "model/$arch/$approx/$length/1/$threads $(model) --threads $threads"
        done
        for size in 1 2 4 8; do echo "layers/$arch/$approx/$length/$size $(model) --layers $size --threads 1"; done
    done
    for arch in bert-tiny bert-base bert-large; do
        if $quick && [ $arch = bert-large ]; then continue; fi
        for approx in paper exact; do echo "profile/$arch/$approx/$length/1/1 $(model) --threads 1 --report"; done
    done
}
model() { echo "--arch $arch --approx $approx --seq $length"; }

# runs_of NAME: how often a case runs.
runs_of() {
    if [ -n "$runs" ]; then
        echo "$runs"
        return
    fi
    case "$quick $1" in
    true\ *bert-base*) echo 1 ;;
    true\ *bert-*) echo 3 ;;
    *bert-base* | *bert-large*) echo 3 ;;
    *) echo 5 ;;
    esac
}

# memory_of ARGUMENT...: bytes that the largest party needs for a model, as forecast.
memory_of() {
    local arguments=()
    while [ $# -gt 0 ]; do
        case "$1" in
        --report) ;;
        --threads) shift ;;
        *) arguments+=("$1") ;;
        esac
        shift
    done
    "$trefoil" cost "${arguments[@]}" --json | sed 's/.*"memory": \([0-9]*\).*/\1/'
}

load() { cut -d' ' -f1 /proc/loadavg; }

selected=$(cases | awk -v only="$only" '$1 ~ only')
[ -n "$selected" ] || fail "no case matches '$only'; --list shows all"
if $list; then
    cut -d' ' -f1 <<<"$selected"
    exit
fi
[ -x "$trefoil" ] || fail "$trefoil is not there; experiments/setup.sh build makes it"

launch=() link=()
if $local; then
    link=(--local)
else
    launch=(mpirun -n 3)
    [ "$cores" -ge 3 ] || launch+=(--oversubscribe)
    if $plaintext; then link+=(--plaintext-links); fi
    if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
fi
if [ -n "$network" ]; then link+=(--shape "$network"); fi
available=$(awk '$1 == "MemAvailable:" { printf "%.0f", 1024 * $2 }' /proc/meminfo)
work=$(mktemp -d)
running=""
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# the commit of the sources, now; results do not count as changes
commit=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
if [ -n "$(git -C "$root" status --porcelain -- . ':!experiments/results' 2>/dev/null)" ]; then commit+=" with changes"; fi
start_load=$(load) started=$(date -u +%Y-%m-%dT%H:%MZ)

mkdir -p "$out"
encryption=AES-128-GCM
if $local || $plaintext; then encryption=none; fi

# The table of what there is so far, so that a run that is stopped has something to show.
write_table() {
    /usr/bin/python3 "$root/experiments/bench/table.py" "$work/list" --out "$out/$name" --trefoil "$trefoil" --commit "$commit" \
        --load "$start_load" --started "$started" --encryption "$encryption" --network "${network:-none: one host}" \
        --command "$command" \
        --processes "$($local && echo 'three threads of one process' || echo 'three processes under mpirun')"
}

# measure ARGUMENT...: in the background, so that the parties end when this script is ended.
measure() {
    timeout "$timeout" "${launch[@]}" "$trefoil" bench "$@" "${link[@]}" --json >"$work/out" 2>"$work/err" </dev/null &
    running=$!
    local status=0
    wait "$running" || status=$?
    running=""
    return $status
}

# Each line of the list: name, load before, what came of it, separated by tabs.
while read -r case arguments; do
    read -ra words <<<"$arguments"
    before=$(load) memory=0
    case $arguments in *--arch*) memory=$(memory_of "${words[@]}") ;; esac
    if [ $((3 * memory)) -gt "$available" ]; then
        outcome="needs three times $memory bytes of memory, of which $available are free"
    elif measure "${words[@]}" --runs "$(runs_of "$case")"; then
        outcome=$(cat "$work/out")
    elif [ $? = 124 ]; then
        outcome="took more than $timeout s"
    else
        outcome=$(grep -m1 '^trefoil: ' "$work/err" || echo "failed")
    fi
    printf '%s\t%s\t%s\t%s\n' "$case" "$before" "$memory" "${outcome//[$'\t\n']/ }" >>"$work/list"
    write_table
    case $outcome in
    \{*\"online\"*) echo "bench: $case: $(sed 's/.*"online": \([0-9.e+-]*\).*/\1 s/' <<<"$outcome")" ;;
    \{*) echo "bench: $case" ;;
    *) echo "bench: $case: $outcome" ;;
    esac >&2
done <<<"$selected"
echo "bench: $out/$name.json and .md" >&2
