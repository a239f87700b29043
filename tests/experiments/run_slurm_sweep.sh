#!/usr/bin/env bash
# A sweep of 40 points over two models on a Slurm of three nodes: one task is cancelled, one is told to end, one is
# preempted, a node is drained, and the sweep is submitted again. It ends with the same store as one without faults.
set -uo pipefail
export TREFOIL=$1/trefoil OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export PYTHONDONTWRITEBYTECODE=1
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/slurm.sh
. "$here/../support/slurm.sh"
/usr/bin/python3 -c 'import tomllib' 2>/dev/null || skip "/usr/bin/python3 is older than 3.11 (Debian: python3)"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
trap stop_slurm EXIT
start_slurm <<'CONF'
NodeName=n[0-1] NodeHostname=@HOST@ NodeAddr=127.0.0.1 Port=[@PORT1@-@PORT2@] CPUs=3 State=UNKNOWN
NodeName=n2 NodeHostname=@HOST@ NodeAddr=127.0.0.1 Port=@PORT3@ CPUs=6 State=UNKNOWN
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 State=UP
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
CONF
program=$TREFOIL
sweep() { "$program" sweep "$@"; }
# A point takes as long as on a busy machine, so that there is a task to cancel, to preempt and to tell on any.
cat >"$work/slowly" <<W
#!/usr/bin/env bash
case \$1 in bench | eval) sleep 2 ;; esac
exec "$program" "\$@"
W
chmod +x "$work/slowly"
export TREFOIL=$work/slowly

make_tiny_model "$work/tiny"
make_tiny_decoder "$work/decoder"
{ printf 'sentence\tlabel\n' && for i in {1..12}; do printf 'good film hello world\tred\nbad film .\tgreen\n'; done; } >"$work/labelled.tsv"
printf 'once upon a time .\nthere was a fox\nit ran .\n' >"$work/texts.txt"
cat >"$work/spec.toml" <<T
measure = ["time", "accuracy", "perplexity"]
repeats = 2
[models.tiny]
path = "$work/tiny"
data = "$work/labelled.tsv"
[models.decoder]
path = "$work/decoder"
data = "$work/texts.txt"
columns = "text=1"
[axes]
approx = ["exact", "paper"]
frac_bits = [16, 14]
seq = [6, 12]
T
store=$work/store

# tasks STATE: the tasks of the sweep in that state, such as 1_3.
tasks() { squeue -h -r -n trefoil-sweep -t "$1" -o %i; }
# until_some SECONDS COMMAND...: waits until the command prints something, and prints it.
until_some() {
    local end=$((SECONDS + $1)) said
    shift
    until said=$("$@") && [ -n "$said" ]; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
    echo "$said"
}
until_none() {
    local end=$((SECONDS + $1))
    while [ -n "$(squeue -h)" ]; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.5
    done
}
results() { find "$store/results" -name '*.json' | wc -l; }
until_results() {
    local end=$((SECONDS + $1))
    until [ "$(results)" -ge "$2" ]; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

sweep "$work/spec.toml" --out "$store" --slurm "--partition=low" --pack-seconds 6 --throttle 3 >"$work/out" 2>"$work/err" ||
    complain "--slurm: $(cat "$work/err")"
grep -qE '^job [0-9]+: 40 points in [0-9]+ tasks' "$work/out" || complain "--slurm says: $(cat "$work/out")"

# Cancelled: what it has computed stays, the rest is left open, and it does not come back.
until_results 60 2 || complain "nothing was computed in a minute: $(squeue; cat "$store"/jobs/*.out)"
victim=$(until_some 30 tasks RUNNING | head -1)
scancel "$victim" || complain "no task to cancel"
# Preempted by a job of a higher partition that wants all nodes whole.
until_some 60 tasks RUNNING >/dev/null || complain "no task runs before the preemption"
sbatch --partition=high --nodes=3 --exclusive --wrap "sleep 3" -o /dev/null --wait >"$work/out" 2>&1 || complain "high: $(cat "$work/out")"
grep -qE 'preempted|PREEMPT' "$work"/slurmctld.log || complain "nothing was preempted"
# Told to end, as a minute before its time limit: it saves, and goes back to the queue.
told=$(until_some 60 tasks RUNNING | grep -vx "$victim" | head -1)
scancel --signal=TERM --batch "$told" || complain "no task to tell"
requeued() { scontrol show job "$told" 2>/dev/null | grep -oE 'Restarts=[1-9]'; }
until_some 30 requeued >/dev/null || complain "task $told was not requeued: $(scontrol show job "$told"; cat "$store"/jobs/*.out)"
# A node goes: nothing new starts there.
scontrol update nodename=n2 state=drain reason=test || complain "n2 cannot be drained"
until_none 240 || complain "the queue does not end: $(squeue)"
scontrol update nodename=n2 state=resume
done_before=$(results)
[ "$done_before" -ge 5 ] || complain "only $done_before results after the faults"

# Submitted again: what is left, and no more.
sweep "$work/spec.toml" --out "$store" --list >"$work/out" 2>&1
left=$(grep -oE '[0-9]+ open' "$work/out" | grep -oE '[0-9]+')
(cd "$store/results" && sha256sum -- *.json) >"$work/before"
if [ "$left" -gt 0 ]; then
    sweep "$work/spec.toml" --out "$store" --slurm "--partition=low" >"$work/out" 2>"$work/err" || complain "again: $(cat "$work/err")"
    grep -q ": $left points in" "$work/out" || complain "$left points are left, but it says: $(cat "$work/out")"
    until_none 240 || complain "the second queue does not end: $(squeue)"
else
    complain "the task that was cancelled left nothing open"
fi
(cd "$store/results" && sha256sum --check --status "$work/before") || complain "what was done was computed again"

# The same without Slurm and without faults: the same points, settings and figures.
export TREFOIL=$program
sweep "$work/spec.toml" --out "$work/calm" >"$work/out" 2>"$work/err" || complain "without faults: $(cat "$work/err")"
/usr/bin/python3 - "$store" "$work/calm" <<'P' || complain "the stores differ"
import json, pathlib, sys
def read(store):
    return {p.stem: json.loads(p.read_text()) for p in pathlib.Path(store, "results").glob("*.json")}
stormy, calm = read(sys.argv[1]), read(sys.argv[2])
assert len(calm) == 40 and stormy.keys() == calm.keys(), (len(stormy), len(calm))
for name, one in stormy.items():
    other = calm[name]
    assert "error" not in one and "error" not in other, (one.get("error"), other.get("error"))
    for key in ("settings", "label", "measure", "limit"):
        assert one[key] == other[key], (key, one, other)
    a, b = one["figures"], other["figures"]
    assert a.keys() == b.keys()
    for key in ("bytes", "rounds", "sent", "examples"):
        assert a.get(key) == b.get(key), (name, key, a, b)
    if "value" in a:
        assert abs(a["value"] - b["value"]) < 0.05 * max(1, b["value"]), (a, b)
    assert abs(a["setup"] + a["seconds"] - a["total"]) < 1e-6, a
    slurm = one["environment"]["slurm"]
    assert slurm["SLURM_JOB_ID"] and one["command"][0] == "srun", (slurm, one["command"])
    assert not other["environment"]["slurm"] and other["command"][0] == "mpirun"
P
sweep "$store" --compare "$work/calm" --threshold 1000 >"$work/out" || complain "--compare: $(cat "$work/out")"

# Two groups of three divide a data set: six ranks on one node.
sweep "$work/spec.toml" --out "$work/groups" measure=accuracy groups=2 --slurm "--partition=low" >"$work/out" 2>"$work/err" || complain "groups: $(cat "$work/err")"
until_none 120 || complain "the queue of groups does not end: $(squeue)"
/usr/bin/python3 - "$work/groups" "$store" <<'P' || complain "two groups come to something else: $(cat "$work"/groups/jobs/*.out)"
import json, pathlib, sys
two, one = ({p.stem: json.loads(p.read_text()) for p in pathlib.Path(s, "results").glob("*.json")} for s in sys.argv[1:])
assert len(two) == 4 and two.keys() <= one.keys(), (len(two), len(one))
for name, result in two.items():
    assert "error" not in result and result["result"]["groups"] == 2, result
    assert result["command"][:5] == ["srun", "-N", "1", "-n", "6"], result["command"]
    assert result["figures"]["examples"] == one[name]["figures"]["examples"], result
    assert abs(result["figures"]["value"] - one[name]["figures"]["value"]) < 0.05, result
P
[ $failures = 0 ] && echo "all as it should be, with $(srun --version); $done_before of 40 points before the second submission"
exit $((failures > 0))
