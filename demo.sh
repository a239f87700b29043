#!/usr/bin/env bash
# Set-up, a small intent classifier fitted on MiniLM's embeddings, then the main job: three parties classify real
# customer messages. Party 0 brings the weights, party 1 the messages, party 2 computes along; none sees the others'.
# Last they tell a story: a private prompt, continued by a small LLaMA, beside the text in floating point.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

experiments/setup.sh program
experiments/setup.sh model

# Open MPI wants to be told that root is meant, that three parties may share fewer cores, that containers forbid one
# process to read another's memory, and that it need not look for devices, which takes a third of its start.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none HWLOC_COMPONENTS=-linuxio,-pci

model=.cache/minilm-banking77
build/trefoil fit-head --model .cache/minilm --data experiments/data/banking77_sample.tsv --out "$model"
mpirun -n 3 build/trefoil infer --model "$model" --input experiments/data/banking77_queries.txt --check --verbose

prompt="Once upon a time, there was a little girl named Lily."
if experiments/setup.sh stories; then
    echo "$prompt (in floating point)"
    build/trefoil generate --model .cache/stories15m --prompt "$prompt" --max-tokens 24 --plain
    echo "$prompt (between three parties)"
    mpirun -n 3 build/trefoil generate --model .cache/stories15m --prompt "$prompt" --max-tokens 24
fi
