#!/usr/bin/env bash
# Makes experiments/results/sweeps anew: runs ready-made specs, and renders each as text and as a page.
#
#   experiments/sweep/results.sh [NAME]... [KEY=V1,V2]...    such as table2 networks; a KEY replaces the specs' values
#     puma table2 networks decoders      forecasts and times: 15 to 20 minutes of an idle machine (the default)
#     approximations precision           MiniLM on 12 questions, all widths and variants: some minutes
#     figure2 accuracy                   what experiments/finetune/adapt.sh has trained; figure2 trains what it lacks (half an hour)
#     picture                            the first report, and the picture of it that README shows: three minutes
#
# TREFOIL (build/trefoil), STORES (.cache/sweeps) and PAGES (experiments/results/sweeps) say otherwise where things are. A
# store is of one commit of the program; stopped and started again, it goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export TREFOIL=${TREFOIL:-$PWD/build/trefoil}
specs=experiments/sweep/specs pages=${PAGES:-experiments/results/sweeps}
names=() keys=()
for word in "$@"; do
    case $word in
    *=*) keys+=("$word") ;;
    *) names+=("$word") ;;
    esac
done
[ ${#names[@]} -gt 0 ] || names=(puma table2 networks decoders)
stores=${STORES:-.cache/sweeps}/$("$TREFOIL" --version | sed -n 's/.*(\([0-9a-f]*\).*/\1/p')
mkdir -p "$stores" "$pages"

# sweep NAME [KEY=V1,V2]...: a run of a spec into its store. A point that fails stands in the table with its reason.
sweep() {
    local name=$1
    shift
    "$TREFOIL" sweep "$specs/$name.toml" --out "$stores/$name" "$@" "${keys[@]}" || echo "results.sh: $name is not whole" >&2
}

# render NAME
render() {
    "$TREFOIL" sweep "$stores/$1" --report "$stores/$1.md"
    "$TREFOIL" sweep "$stores/$1" --report "$stores/$1.html"
    cp "$stores/$1.md" "$stores/$1.html" "$pages/"
}

need_minilm() {
    experiments/setup.sh model
    [ -f .cache/minilm-banking77/model.safetensors ] ||
        "$TREFOIL" fit-head --model .cache/minilm --data experiments/data/banking77_sample.tsv --out .cache/minilm-banking77
}

# The models of accuracy.toml that are trained, separated by commas.
trained() {
    local pair stage
    for pair in {bert-tiny,minilm}-{sst2,mrpc,spam,cola}; do
        [ -s ".cache/finetune/${pair##*-}.jsonl" ] && [ -f ".cache/finetune/$pair-paper/model.safetensors" ] || continue
        for stage in exact paper/stages/1-gelu paper/stages/2-softmax paper/stages/3-layernorm1 paper; do echo "$pair $stage"; done
    done | paste -sd,
}

for name in "${names[@]}"; do
    case $name in
    puma)
        sweep puma
        sweep puma measure=time model=bert-base,bert-large,gpt2,gpt2-medium threads=2
        ;;
    table2 | networks | decoders | bench_quick) sweep "$name" ;;
    approximations | precision)
        need_minilm
        sweep "$name" limit=12
        ;;
    figure2)
        [ -f .cache/finetune/bert-tiny-sst2-paper/model.safetensors ] && [ -s .cache/finetune/sst2.jsonl ] ||
            experiments/finetune/adapt.sh bert-tiny-sst2
        sweep figure2
        ;;
    accuracy) sweep accuracy "model=$(trained)" ;;
    picture)
        experiments/sweep/first_report.sh "$stores/quick" "${keys[@]}"
        /usr/bin/python3 experiments/sweep/picture.py "$stores/quick" "$pages/first-report.svg"
        continue
        ;;
    *)
        echo "results.sh: '$name' is unknown; the first lines of this file explain what there is" >&2
        exit 2
        ;;
    esac
    render "$name"
done
