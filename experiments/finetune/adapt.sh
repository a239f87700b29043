#!/usr/bin/env bash
# Trains the models of the accuracy experiment (experiments/sweep/specs/accuracy.toml) and writes their validation sets: for
# each model and task a plain baseline, and its adaptation with the model after each substitution.
#
#   experiments/finetune/adapt.sh [OPTION]... [MODEL-TASK]...    such as bert-tiny-sst2 minilm-mrpc; default: all
#     --quick         bert-tiny-sst2 only, from a part of its data, and 40 sentences to validate: minutes
#     --out DIR       MODEL-TASK-exact and MODEL-TASK-paper, and TASK.jsonl (default .cache/finetune; hours for MiniLM)
#
# Needs the data in ${TREFOIL_SHARED:-../shared}, and experiments/setup.sh build, model, data and finetune. Stop it at any
# time and start it again: training goes on after the last finished block, and what is there is not trained again.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
finetune=$root/experiments/finetune
trefoil=${TREFOIL:-$root/build/trefoil}
shared=${TREFOIL_SHARED:-$root/../shared}
python=/usr/bin/python3
out=$root/.cache/finetune quick=false pairs=()

fail() {
    echo "adapt.sh: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case "$1" in
    --quick) quick=true ;;
    --out)
        [ $# -gt 1 ] || fail "$1 needs a value"
        out=$2
        shift
        ;;
    -*) fail "'$1' is not an option; the first lines of this file explain what there is" ;;
    *) pairs+=("$1") ;;
    esac
    shift
done
if $quick; then [ ${#pairs[@]} -gt 0 ] || pairs=(bert-tiny-sst2); fi
[ ${#pairs[@]} -gt 0 ] || pairs=({bert-tiny,minilm}-{sst2,mrpc,spam,cola})
[ -x "$trefoil" ] || fail "$trefoil is not there; experiments/setup.sh build makes it"
mkdir -p "$out"

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

# train PAIR SOURCE exact|paper: what finetune.py has finished is not trained again.
train() {
    [ ! -f "$out/$1-$3/finetune.json" ] || return 0
    # shellcheck disable=SC2046 # several words
    "$python" "$finetune/finetune.py" --model "$2" --task "${1##*-}" --approx "$3" --out "$out/$1-$3" --trefoil "$trefoil" \
        $(effort "$1" "$3")
}

for pair in "${pairs[@]}"; do
    task=${pair##*-} source=$(source_of "$pair")
    [ -d "$source" ] || fail "$source is not there; experiments/setup.sh model fetches MiniLM, TREFOIL_SHARED names the rest"
    if [ "$pair" = bert-tiny-sst2 ]; then
        [ -e "$out/$pair-exact" ] || ln -s "$(realpath "$source")" "$out/$pair-exact"
    else
        train "$pair" "$source" exact
    fi
    train "$pair" "$out/$pair-exact" paper
    limit=()
    if $quick; then limit=(--limit 40); fi
    [ -s "$out/$task.jsonl" ] || "$python" "$finetune/data.py" --task "$task" --out "$out/$task.jsonl" "${limit[@]}"
done
