#!/usr/bin/env bash
# The command line as people meet it: help, completion and the manual, all from one table; mistyped words; texts that
# leave the process list; exit statuses; share files that are not overwritten.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
model=$work/tiny
make_tiny_model "$model"

commands="run sweep completion man generate embed similarity models certify gateway infer eval party plain cost ops bench fit-head calibrate tokenize share-model share-input reveal verify keygen fingerprint certify"
"$trefoil" 2>"$work/err"
[ $? = 2 ] || complain "a missing command is no misuse"
for command in $commands; do
    grep -q " $command" "$work/err" || complain "trefoil alone does not list $command"
    [ $command = sweep ] && continue # its driver prints its own
    "$trefoil" "$command" --help >"$work/out" || complain "$command --help fails"
    [ "$(grep -c "^  \(mpirun -n [36] \)\?trefoil $command" "$work/out")" = 2 ] || complain "$command --help has not two examples"
    COLUMNS=60 "$trefoil" "$command" --help | awk 'length > 75 && !/,.*,|^  (mpirun|trefoil)/ {exit 1}' ||
        complain "$command --help does not keep to COLUMNS"
done
"$trefoil" keygen --help | grep -q -- "--quiet" && complain "keygen --help tells of --quiet, which does nothing there"
"$trefoil" party --help >"$work/out"
grep -q -- "--local\|--plaintext-links" "$work/out" && complain "party --help tells options that do nothing there"
COLUMNS=120 "$trefoil" cost --help | tr '\n' ' ' | tr -s ' ' | grep -c -- "in attention (default 1)" >"$work/out"
grep -qx 1 "$work/out" || complain "cost --help has not its own default"

says() {
    local pattern=$1
    shift
    "$trefoil" "$@" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || complain "not a misuse: $*"
    grep -q "$pattern" "$work/err" || complain "'$pattern' was expected: $(cat "$work/err")"
}
says "did you mean infer" ifer
says "did you mean --model?" plain --modle "$model"
says "bash and zsh" completion fish

"$trefoil" completion bash >"$work/completion" && bash -n "$work/completion" || complain "bash does not take the completion"
completed() {
    bash -c '. "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _trefoil; echo "${COMPREPLY[@]}"' sh "$work/completion" "$@"
}
[ "$(completed trefoil tok)" = tokenize ] || complain "commands are not completed"
[ "$(completed trefoil infer --model-o)" = --model-owner ] || complain "options are not completed"
[ "$(completed trefoil infer --approx pu)" = puma ] || complain "values are not completed"
"$trefoil" completion zsh >"$work/out"
grep -q "^#compdef trefoil" "$work/out" || complain "no completion for zsh"
if command -v zsh >/dev/null; then
    zsh -n "$work/out" || complain "zsh does not take the completion"
else
    echo "zsh is not installed: whether it takes the completion is not tried (Debian: zsh)"
fi
"$trefoil" man >"$work/trefoil.1"
for command in $commands; do grep -q "^.SS trefoil $command" "$work/trefoil.1" || complain "the manual lacks $command"; done
if command -v groff >/dev/null; then
    groff -man -ww -Tutf8 "$work/trefoil.1" 2>&1 >/dev/null | grep -v "cannot adjust" | grep -q . && complain "groff warns of the manual"
fi

# Texts leave the process list before the links open, and an interrupt is told apart from a failure.
make_parties || complain "no keys"
start 1 --text "canary hello" --text=canary --model "$model"
until_line 20 "$work/err1" "party 1" || complain "party 1 does not wait: $(cat "$work/err1")"
tr '\0' '\n' <"/proc/${pid[1]}/cmdline" >"$work/list"
grep -q -- --model "$work/list" || complain "the process list was not read"
grep -q canary "$work/list" && complain "the text is readable in the process list: $(cat "$work/list")"
kill -INT "${pid[1]}"
await 20 1
[ "$status" = 130 ] || complain "an interrupted party exits with $status: $(cat "$work/err1")"

# Whoever ends trefoil run alone ends its parties too.
if command -v mpirun >/dev/null; then
    "$trefoil" run -- gateway --model "$model" --http 127.0.0.1:0 >"$work/out" 2>"$work/err" &
    pid[0]=$!
    until_line 30 "$work/err" "ready: all three" || complain "run -- gateway: $(cat "$work/err")"
    kill -INT "${pid[0]}"
    await 30 0
    [ "$status" = 130 ] || complain "run that is interrupted by itself ends with $status: $(cat "$work/err")"
    "$trefoil" run -- gateway --model "$model" --http 127.0.0.1:0 >"$work/out" 2>"$work/err" &
    pid[0]=$!
    until_line 30 "$work/err" "ready: all three" || complain "run -- gateway: $(cat "$work/err")"
    children=$(pgrep -P "${pid[0]}")
    kill -KILL "${pid[0]}"
    await 30 0
    timeout 20 tail -f /dev/null --pid="$children" -s 0.1 || complain "mpirun outlives run that was killed"
fi

# A full disk is told, also of what prints without computing.
for command in help --version man "completion bash" "infer --help" "run --help" ops; do
    # shellcheck disable=SC2086 # the words of a command
    "$trefoil" $command >/dev/full 2>"$work/err"
    [ $? = 1 ] && [ "$(cat "$work/err")" = "trefoil: the output could not be written" ] ||
        complain "$command to a full disk: $(cat "$work/err")"
done

# Standard input; share files; the listing of one kind.
"$trefoil" plain --model "$model" --text hello --json | grep -o '"logits": [^]]*' >"$work/given"
echo hello | "$trefoil" plain --model "$model" --input - --json | grep -o '"logits": [^]]*' | cmp -s - "$work/given" ||
    complain "standard input gives another result"
"$trefoil" share-model --model "$model" --out "$work/shares" >"$work/out" || complain "share-model"
"$trefoil" share-model --model "$model" --out "$work/shares" >"$work/out" 2>"$work/err" && complain "share-model overwrites"
grep -q -- --force "$work/err" || complain "share-model does not say --force: $(cat "$work/err")"
"$trefoil" share-model --model "$model" --out "$work/shares" --force >"$work/out" || complain "share-model --force"
[ "$("$trefoil" ops gelu | grep -c '^gelu ')" -gt 1 ] || complain "ops gelu lists no variants"
"$trefoil" ops gelu >"$work/out"
grep -q '^softmax' "$work/out" && complain "ops gelu lists other kinds"

# Tables keep to the terminal's width; who saw what is told when asked; too much memory is found before anything runs.
for width in 80 100; do
    for command in "cost --arch bert-base --network wan" "cost --arch bert-base --ops" "cost --arch bert-base --critical" "ops" \
        "bench --local --arch bert-tiny --seq 8 --layers 1" "infer --local --verbose --check --model $model --text hello"; do
        # shellcheck disable=SC2086 # the words of a command
        COLUMNS=$width "$trefoil" $command 2>/dev/null >"$work/wide"
        [ "$(LC_ALL=C.UTF-8 wc -L <"$work/wide")" -le $width ] || complain "$command is wider than $width columns: $(cat "$work/wide")"
    done
done
"$trefoil" infer --local --model "$model" --text hello >"$work/out"
grep -q "Who saw what" "$work/out" && complain "infer tells who saw what unasked"
"$trefoil" infer --local --model "$model" --text hello --verbose | grep -q "Who saw what" || complain "infer --verbose does not tell who saw what"
awk '/files and texts/ { d = $1 - $4 - $7 - $12; exit !(d < 0.021 && d > -0.021) }' "$work/out" || complain "seconds do not add up: $(tail -3 "$work/out")"
"$trefoil" bench --local --arch bert-tiny --seq 8 --layers 1 --threads 1 | tr -s ' \n' ' ' |
    grep -q "approx gelu=exact.*, 8 tokens, batch 1, .*network, 1 thread a party" ||
    complain "bench does not tell what it measured"

# Tables keep to the width of the terminal; in a file a line stays whole.
make_tiny_decoder "$work/writer"
printf 'text\tlabel\ngood film with a text that is longer than a line of sixty columns has room for\tred\nbad film\tblue\n' >"$work/data.tsv"
for width in 60 80 120; do
    for words in --help "ops" "plain --model $model --input $work/data.tsv --truncate" "calibrate --model $model --data $work/data.tsv --max-length 16" \
        "infer --local --check --verbose --model $model --input $work/data.tsv --truncate" \
        "infer --local --check-ranges --model $model --input $work/data.tsv --truncate" \
        "generate --local --model $work/writer --prompt once --max-tokens 3" "cost --arch bert-tiny --ops" "cost --arch gpt2 --layers 1 --seq 8 --tokens 2 --network wan" "models" \
        "bench --local --arch bert-tiny --seq 8 --layers 1 --threads 1 --runs 1 --report"; do
        # shellcheck disable=SC2086 # words are words
        COLUMNS=$width "$trefoil" $words >"$work/out" 2>&1 || complain "$words: $(cat "$work/out")"
        [ "$(LC_ALL=C.UTF-8 wc -L <"$work/out")" -le $width ] || complain "$words at $width columns: $(awk -v w=$width 'length > w' "$work/out" | head -2)"
    done
done
"$trefoil" cost --arch gpt2 --layers 1 --seq 8 --tokens 2 | grep -c '^the prompt: .*; the last of 2 tokens: .* rounds$' >"$work/out"
grep -qx 1 "$work/out" || complain "cost breaks a line of a file"

# The forecast by kind and by op; three parties by one word; what runs in one process says so once in a job of several.
"$trefoil" cost --arch bert-tiny >"$work/out"
grep -q '^linear  *[0-9]* .*%' "$work/out" || complain "cost does not sum up by kind: $(cat "$work/out")"
"$trefoil" cost --arch bert-tiny --ops >"$work/out"
grep -q '^encoder.layer.1.* gelu ' "$work/out" || complain "cost --ops does not list ops"
# Many in one process: each line as by itself, and a wrong one holds up none.
printf '%s\n' '{"arch":"bert-tiny","seq":16}' '{"arch":"bert-tiny","sec":16}' '{"arch":"bert-mini","approx":"gelu=rilu"}' \
    '{"seq":8,"arch":"gpt2","layers":1,"tokens":2,"frac_bits":14}' | "$trefoil" cost --each - >"$work/out" || complain "cost --each"
totals() { grep -oE '"total": [0-9]+' "$@"; }
[ "$(totals "$work/out" | tr '\n' ' ')" = "$({
    "$trefoil" cost --arch bert-tiny --seq 16 --json
    "$trefoil" cost --arch gpt2 --layers 1 --seq 8 --tokens 2 --frac-bits 14 --json
} | totals | tr '\n' ' ')" ] || complain "cost --each differs: $(cut -c1-80 "$work/out")"
sed -n 2p "$work/out" | grep -q '"error": "--each takes no .*sec' || complain "cost --each takes any key"
sed -n 3p "$work/out" | grep -q "unknown variant 'rilu'" || complain "cost --each takes any variant"
# Threads are those that were granted.
taskset -c "$(taskset -pc $$ | grep -oE '[0-9]+' | tail -1)" "$trefoil" bench --local --step relu --n 8 --json |
    grep '"threads": 1' >/dev/null || complain "a process on one processor does not take one thread"
echo hello >"$work/hello.txt"
"$trefoil" run -- infer --model "$model" --input "$work/hello.txt" --json >"$work/out" 2>"$work/err" || complain "run: $(cat "$work/err")"
grep -q '"rounds"' "$work/out" || complain "run prints nothing"
echo hello | "$trefoil" run -- infer --model "$model" --input - --json >"$work/out" 2>"$work/err" || complain "run from standard input: $(cat "$work/err")"
grep -q '"rounds"' "$work/out" || complain "run from standard input prints nothing"
"$trefoil" run -- infer --model "$model" --input "$work/missing.txt" >"$work/out" 2>"$work/err"
[ $? = 1 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "^trefoil: party 1: .*missing.txt" "$work/err" ||
    complain "a failed run does not say its reason once: $(cat "$work/err")"
# Misuse is said once, by whichever launcher, and before any process is started by ours.
says_once() { # says_once PATTERN WORD...
    local pattern=$1
    shift
    "$@" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || complain "status $? of: $*"
    [ "$(grep -c '^trefoil: ' "$work/err")" = 1 ] && grep -q "$pattern" "$work/err" && ! grep -q MPI_ABORT "$work/err" ||
        complain "$* says: $(cat "$work/err")"
}
says_once "run needs a command" "$trefoil" run
says_once "^trefoil: 'ifer' is not a command (did you mean infer?" "$trefoil" run -- ifer
says_once "^trefoil: .*did you mean --model?" "$trefoil" run -- infer --modle "$model"
says_once "^trefoil: infer needs either --text" "$trefoil" run -- infer --model "$model"
says_once "^trefoil: cost runs in one process: start it without run" "$trefoil" run -- cost --arch bert-tiny
says_once "^trefoil: gateway needs --model" "$trefoil" run -- gateway
"$trefoil" run -- infer --help >"$work/out" && grep -q "^Usage: trefoil infer" "$work/out" || complain "run -- infer --help: $(cat "$work/out")"
if command -v mpirun >/dev/null; then
    job=(env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -q --oversubscribe -n 3 "$trefoil")
    says_once "^trefoil: party 0: .*did you mean --model?" "${job[@]}" infer --modle "$model"
    says_once "^trefoil: party 1: infer needs either --text" "${job[@]}" infer --model "$model"
    says_once "cost runs in one process: start it without mpirun" "${job[@]}" cost --arch bert-tiny
fi
conclude
