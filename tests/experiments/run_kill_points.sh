#!/usr/bin/env bash
# Kills or stops a party at a random moment: the other two end by themselves, each with a reason that names it and what
# they were doing, without a result that is not whole, and no process is left.
#
#   run_kill_points.sh BUILD [POINTS [SEED [TEXTS]]]      6 points by default, 60 are the full measure; fewer texts than 40
#                                                         make runs shorter on a busy machine
set -uo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
trefoil=$1/trefoil points=${2:-6} seed=${3:-$RANDOM}
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"
deadline=30 texts=${4:-40}

model=$work/tiny
make_tiny_model "$model"
mkdir "$work/config_only" "$work/words_only"
cp "$model"/config.json "$work/config_only"
cp "$model"/{config.json,vocab.txt} "$work/words_only"
make_parties || exit 1
for ((i = 0; i < texts; i++)); do echo "good film hello world"; done >"$work/texts.txt"
own=(--batch 1 --json)

# The processes under mpirun write their numbers down, so that one of them can be picked.
start_mpirun() {
    local n model_of=("$model" "$work/words_only" "$work/config_only") command=()
    rm -f "$work"/process*
    for n in 0 1 2; do
        command+=(: -n 1 bash -c 'echo $$ >'"$work"'/process$0.new; mv '"$work"'/process$0.new '"$work"'/process$0
                  n=$0; exec "$@" >'"$work"'/out$n 2>'"$work"'/err$n' $n "$trefoil" infer --model "${model_of[n]}" \
            --input "$work/texts.txt" --timeout $deadline "${own[@]}")
    done
    mpirun --oversubscribe "${command[@]:1}" >"$work/mpirun.out" 2>"$work/mpirun.err" </dev/null &
    launcher=$!
    for n in 0 1 2; do
        until [ -s "$work/process$n" ]; do
            kill -0 $launcher 2>/dev/null || return
            sleep 0.01
        done
        pid[n]=$(cat "$work/process$n")
    done
}

start_apart() {
    launcher=
    start 0 --model "$model" --wait 10 --timeout $deadline "${own[@]}"
    start 2 --wait 10 --timeout $deadline
    start 1 --wait 10 --timeout $deadline --input "$work/texts.txt" "${own[@]}"
}

gone() { ! kill -0 "$1" 2>/dev/null || [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null || echo Z)" = Z ]; }

# How long a whole run takes, to spread the points over it.
phase_words='round [0-9]+ of|connecting|proving who is who|making keys|exchanging config|measuring the network|comparing|waiting for a request|telling the lengths|adding up|weight |this is no handshake|of the handshake|secure link|ended from outside|party [012] failed: '
declare -A took
for how in mpirun apart; do
    begin=$(date +%s%N)
    start_$how
    if [ $how = mpirun ]; then
        wait $launcher || complain "a whole run under mpirun: $(cat "$work"/err? "$work/mpirun.err" 2>/dev/null)"
    else
        for n in 0 1 2; do
            await 60 $n
            [ "$status" = 0 ] || complain "a whole run apart: $(cat "$work/err$n")"
        done
    fi
    took[$how]=$((($(date +%s%N) - begin) / 1000000))
done
[ $failures = 0 ] || exit 1

# Short, but not so short that parties which are merely slow, on a machine that does much else, give each other up.
deadline=$((3 + (took[mpirun] > took[apart] ? took[mpirun] : took[apart]) / 4000))
RANDOM=$seed
echo "seed $seed, $points points; whole runs take ${took[mpirun]} ms under mpirun, ${took[apart]} ms apart; deadline $deadline s"
whole=0 done_points=0 hung=0
while [ $done_points -lt "$points" ]; do
    how=$([ $((RANDOM % 2)) = 0 ] && echo mpirun || echo apart)
    signal=$([ $((RANDOM % 3)) = 0 ] && echo STOP || echo KILL)
    victim=$((RANDOM % 3)) after=$((RANDOM * took[$how] / 32768))
    what="$how: SIG$signal to party $victim after $after ms"
    rm -f "$work"/out? "$work"/err?
    start_$how
    sleep "$((after / 1000)).$(printf %03d $((after % 1000)))"
    gone "${pid[victim]}" || kill -$signal "${pid[victim]}" 2>/dev/null
    struck=$SECONDS
    for n in 0 1 2; do
        [ $n = $victim ] && continue
        until gone "${pid[n]}" || [ $((SECONDS - struck)) -gt $((deadline + 15)) ]; do sleep 0.02; done
        gone "${pid[n]}" || complain "$what: party $n has not ended after $((SECONDS - struck)) s"
    done
    seconds=$((SECONDS - struck))
    [ $seconds -le $((deadline + 15)) ] || kill -KILL ${launcher:-} "${pid[@]}" 2>/dev/null
    if [ -n "$launcher" ]; then
        # mpirun (4.1) itself may hang when all is over, in PMIx_server_finalize.
        until gone $launcher || [ $((SECONDS - struck)) -gt $((deadline + 45)) ]; do sleep 0.02; done
        gone $launcher || { kill -KILL $launcher && hung=$((hung + 1)); }
        wait $launcher
        [ $? != 0 ] || [ -s "$work/out1" ] || complain "$what: mpirun says that all is well"
        left=$SECONDS # mpirun kills what is stopped, which takes the system a moment
        for n in 0 1 2; do
            until gone "${pid[n]}" || [ $((SECONDS - left)) -gt 15 ]; do sleep 0.02; done
            gone "${pid[n]}" || complain "$what: process of party $n is left"
        done
    else
        kill -KILL "${pid[victim]}" 2>/dev/null
    fi
    # A victim whose work was done already, or survivors that needed it no more, leave a whole result.
    results=$(grep -o '"index"' "$work/out1" 2>/dev/null | wc -l)
    [ "$results" = 0 ] || [ "$results" = $texts ] || complain "$what: a result of $results texts was printed"
    if [ "$results" = $texts ]; then
        whole=$((whole + 1))
        took[$how]=$((took[$how] * 3 / 4)) # the machine was busier when a whole run was timed
        [ $whole -le $((points + 20)) ] || { complain "too many runs end before they are struck"; break; }
        for n in 0 1 2; do pid[n]=; done
        continue
    fi
    done_points=$((done_points + 1))
    for n in 0 1 2; do
        [ $n = $victim ] && continue
        if [ -z "$launcher" ]; then
            wait "${pid[n]}"
            [ $? = 1 ] || complain "$what: party $n ended with status $?"
        fi
        [ ! -s "$work/out$n" ] || complain "$what: party $n printed a result"
        reason=$(grep '^trefoil: ' "$work/err$n" | grep -vE ': (waiting for party|party [012] is connected)' | tail -1)
        # Nobody can tell who is missing before all have joined the job.
        if grep -q "joining the MPI job: not all parties came" "$work"/err? 2>/dev/null; then
            echo "$what, ${seconds} s: $n: ${reason:-(ended by mpirun)}"
            continue
        fi
        # In one job a party that was told by a peer leaves it to that peer to say so.
        if [ -n "$launcher" ] && [ -z "$reason" ] && grep -hE "party $victim" "$work"/err? | grep -qE "$phase_words"; then
            echo "$what, ${seconds} s: $n: (said by another)"
            continue
        fi
        # mpirun itself names the killed process; the others only learn that they shall end.
        if [ -n "$launcher" ] && [ $signal = KILL ]; then
            grep -qE "rank $victim .*signal 9|exited on signal" "$work/mpirun.err" || complain "$what: mpirun says: $(cat "$work/mpirun.err")"
            [ -z "$reason" ] || grep -qE "$phase_words" <<<"$reason" || complain "$what: party $n says: $reason"
        else
            # Before there are keys nobody can tell who wrote a notice, so that it only says that its sender has ended.
            grep -qE "party $victim|ended before the secure link was made" <<<"$reason" || complain "$what: party $n does not name it: $(cat "$work/err$n")"
            grep -qE "$phase_words" <<<"$reason" || complain "$what: party $n names no phase: $reason"
        fi
        echo "$what, ${seconds} s: $n: ${reason:-(ended by mpirun)}"
    done
    for n in 0 1 2; do pid[n]=; done
done
echo "$done_points points, $failures failures; $whole more runs were over when they were struck; mpirun itself hung $hung times"
[ $failures = 0 ]
