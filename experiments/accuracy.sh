#!/usr/bin/env bash
# How much accuracy the paper's approximations cost: for each model and task the plain original, the plain model after each
# cumulative substitution, and the private run with everything substituted, over the whole validation set.
#
#   experiments/accuracy.sh [OPTION]... [MODEL-TASK]...    such as bert-tiny-sst2 minilm-mrpc; default: all
#     --quick         bert-tiny-sst2 only, 40 sentences in private; minutes, training included
#     --models DIR    trained models, MODEL-TASK-exact and MODEL-TASK-paper; what is not there is trained there first
#                     (default .cache/finetune; hours for MiniLM)
#     --work DIR      predictions, one line an example (default .cache/accuracy); finished ones are not computed again
#     --results DIR   where accuracy.json and accuracy.md go (default experiments/results; with --quick the work directory)
#     --ranks N       processes of private runs, a multiple of 3 (default 3)
#     --ranges N      texts whose every value is compared with its range (default 100, for bert-tiny all; 0: none)
#     --plain         no private runs, nor ranges
#     --report        only make the table of what is in the work directory
#     --second PAIR   the run of this MODEL-TASK is listed among the attempts, and the row stays that of the earlier run
#
# Needs the data in ${TREFOIL_SHARED:-../shared}, and experiments/setup.sh build, model, data and finetune. Stop it at any
# time and start it again: training goes on after the last finished block, evaluation after the last finished batch.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
finetune=$root/experiments/finetune
trefoil=${TREFOIL:-$root/build/trefoil}
python=/usr/bin/python3
models=$root/.cache/finetune work=$root/.cache/accuracy results="" ranks=3 ranges=""
quick=false private=true report_only=false pairs=() second=()
command="experiments/accuracy.sh $*"

fail() {
    echo "accuracy.sh: $*" >&2
    exit 1
}
say() { echo "accuracy.sh: $*" >&2; }

while [ $# -gt 0 ]; do
    case "$1" in
    --quick) quick=true ;;
    --plain) private=false ;;
    --report) report_only=true ;;
    --second)
        [ $# -gt 1 ] || fail "$1 needs a value"
        second+=("$2")
        shift
        ;;
    --models | --work | --results | --ranks | --ranges)
        [ $# -gt 1 ] || fail "$1 needs a value"
        declare "${1#--}=$2"
        shift
        ;;
    -*) fail "'$1' is not an option; the first lines of this file explain what there is" ;;
    *) pairs+=("$1") ;;
    esac
    shift
done
if $quick; then
    [ ${#pairs[@]} -gt 0 ] || pairs=(bert-tiny-sst2)
    models=$models/quick work=$work/quick results=${results:-$work}
fi
[ ${#pairs[@]} -gt 0 ] || pairs=({bert-tiny,minilm}-{sst2,mrpc,spam,cola})
results=${results:-$root/experiments/results}
shared=${TREFOIL_SHARED:-$root/../shared}
$quick || $report_only || mkdir -p "$work"
mkdir -p "$work" "$models" "$results"

# effort MODEL-TASK exact|paper: the arguments of finetune.py.
effort() {
    if $quick; then
        echo --slice 0.02 --rounds 2 --together 0.05 --final 0.1 --epochs 1 --threads 2
        return
    fi
    case "$1 $2" in
    bert-tiny-sst2*) echo --slice 0.05 --together 0.2 --final 1.5 --rate 1e-4 ;;
    bert-tiny-*exact) echo --slice 1 --epochs 6 --rate 2e-4 ;;
    bert-tiny-*) echo --slice 0.25 --together 0.5 --final 1 --rate 5e-5 ;;
    "minilm-sst2 exact") echo --slice 0.1 --epochs 0.8 --rate 5e-5 ;;
    minilm-sst2*) echo --slice 0.01 --rounds 4 --together 0.05 --final 0.8 --distill 0.8 --rate 3e-5 --dropout 0 ;;
    minilm-spam*exact) echo --slice 0.5 --epochs 2 --rate 5e-5 ;;
    minilm-*exact) echo --slice 0.5 --epochs 3 --rate 5e-5 ;;
    minilm-cola*) echo --slice 0.1 --rounds 3 --together 0.2 --final 1 --rate 2e-5 --dropout 0 ;;
    minilm-*) echo --slice 0.05 --rounds 4 --together 0.2 --final 0.6 --rate 2e-5 --dropout 0 ;;
    esac
}

# The model that a baseline is trained from; for bert-tiny-sst2 the baseline itself.
source_of() {
    case "$1" in
    bert-tiny-sst2) echo "$shared/models/bert-tiny-sst2" ;;
    bert-tiny-*) echo "$shared/models/bert-tiny-toxicity" ;;
    minilm-*) echo "${TREFOIL_MINILM:-$root/.cache/minilm}" ;;
    *) fail "'$1' is no MODEL-TASK: models are bert-tiny and minilm" ;;
    esac
}

# finished DIR: whether finetune.py wrote its result there.
finished() { [ -f "$1/finetune.json" ]; }

train() {
    local pair=$1 task=${1##*-} source
    source=$(source_of "$pair")
    [ -d "$source" ] || fail "$source is not there; experiments/setup.sh model fetches MiniLM, TREFOIL_SHARED names the rest"
    if [ "$pair" = bert-tiny-sst2 ]; then
        [ -e "$models/$pair-exact" ] || ln -s "$(realpath "$source")" "$models/$pair-exact"
    elif ! finished "$models/$pair-exact"; then
        # shellcheck disable=SC2046 # several words
        "$python" "$finetune/finetune.py" --model "$source" --task "$task" --approx exact --out "$models/$pair-exact" \
            --trefoil "$trefoil" $(effort "$pair" exact)
    fi
    finished "$models/$pair-paper" && return
    # shellcheck disable=SC2046
    "$python" "$finetune/finetune.py" --model "$models/$pair-exact" --task "$task" --approx paper \
        --out "$models/$pair-paper" --trefoil "$trefoil" $(effort "$pair" paper)
}

# The metrics of a task, the deciding one first.
metrics() {
    case "$1" in
    mrpc | spam) echo accuracy f1 ;;
    cola) echo matthews accuracy ;;
    *) echo accuracy ;;
    esac
}

# evaluate NAME MODEL_DIRECTORY PREFIX...: leaves NAME.METRIC.json and NAME.jsonl in the directory of the pair. A metric
# after the first computes nothing anew.
evaluate() {
    local out=$work/$pair/$1 model=$2 metric
    shift 2
    for metric in $(metrics "$task"); do
        [ ! -s "$out.$metric.json" ] || continue
        "$@" --model "$model" --data "$data" --metric "$metric" --out "$out.jsonl" --json >"$out.part"
        mv "$out.part" "$out.$metric.json"
    done
}

# check_ranges MODEL_DIRECTORY N: leaves ranges.json, the report, and ranges.summary.json. Stops at a value that leaves its
# range. A run that was stopped starts again, for its report is of one run.
check_ranges() {
    local out=$work/$pair/ranges
    [ ! -s "$out.summary.json" ] || return 0
    rm -f "$out.jsonl"
    "$trefoil" eval --local --check-ranges --timeout 600 --report "$out.json" --model "$1" --data "$data" --limit "$2" --out "$out.jsonl" \
        --json >"$out.part"
    mv "$out.part" "$out.summary.json"
}

launch=(mpirun -n "$ranks")
[ "$(nproc)" -ge "$ranks" ] || launch+=(--oversubscribe)
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

if ! $report_only; then
    [ -x "$trefoil" ] || fail "$trefoil is not there; experiments/setup.sh build makes it"
    for pair in "${pairs[@]}"; do
        task=${pair##*-}
        train "$pair"
        mkdir -p "$work/$pair"
        data=$work/$task.jsonl
        limit=()
        if $quick; then limit=(--limit 40); fi
        [ -s "$data" ] || "$python" "$finetune/data.py" --task "$task" --out "$data" "${limit[@]}"
        [ -s "$work/$pair/commit" ] || git -C "$root" rev-parse --short HEAD >"$work/$pair/commit" 2>/dev/null ||
            echo "not from git" >"$work/$pair/commit"
        say "$pair: plain"
        evaluate original "$models/$pair-exact" "$trefoil" eval --plain
        for stage in "$models/$pair-paper"/stages/*; do
            evaluate "$(basename "$stage")" "$stage" "$trefoil" eval --plain
        done
        cp "$models/$pair-paper/finetune.json" "$work/$pair/"
        if finished "$models/$pair-exact"; then cp "$models/$pair-exact/finetune.json" "$work/$pair/baseline.json"; fi
        $private || continue
        say "$pair: private, $(wc -l <"$data") texts"
        evaluate private "$models/$pair-paper" "${launch[@]}" "$trefoil" eval --check --timeout 600 # the machine may be busy
        count=$ranges
        if [ -z "$count" ]; then
            case "$pair" in
            bert-tiny-*) count=$(wc -l <"$data") ;;
            *) count=100 ;;
            esac
        fi
        [ "$count" -gt 0 ] || continue
        say "$pair: ranges, $count texts"
        check_ranges "$models/$pair-paper" "$count"
    done
fi
"$python" "$finetune/report.py" --work "$work" --results "$results" --command "$command" --trefoil "$trefoil" \
    --models "$models" --second "${second[@]}"
