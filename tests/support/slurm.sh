# Sourced by tests that need a Slurm: one of three nodes on this machine, with daemons, keys and files of its own, in $work.

skip() {
    echo "skipped: $*"
    exit 77
}

stop_slurm() {
    local file
    scontrol shutdown >/dev/null 2>&1
    for ((i = 0; i < 50; i++)); do
        compgen -G "$work/slurm*.pid" >/dev/null || break # each daemon removes its own
        sleep 0.1
    done
    for file in "$work"/*.pid; do kill "$(cat "$file")" 2>/dev/null; done
    rm -rf "$work" 2>/dev/null || { sleep 2 && rm -rf "$work"; } # a daemon may write its last words just now
}

# start_slurm: nodes n0 to n2, all of them this host, with the lines of standard input for nodes and partitions, in which
# @HOST@ and @PORT1@ to @PORT3@ are replaced. Skips the test where that cannot be.
start_slurm() {
    local program port n
    for program in munged slurmctld slurmd srun sbatch; do
        command -v $program >/dev/null || skip "$program is not installed (experiments/setup.sh cluster installs Slurm)"
    done
    [ "$(id -u)" = 0 ] || skip "Slurm's daemons need root to play three nodes"
    chmod 711 "$work" # munged wants that everybody could reach its socket
    export SLURM_CONF=$work/slurm.conf
    port=$((20000 + RANDOM % 10000))
    # TmpFS: PMIx keeps a directory by the number of the step, one for each node. cred_expire: requeued jobs wait so long.
    cat >"$SLURM_CONF" <<CONF
ClusterName=trefoil
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=5
SlurmUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool.%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
TmpFS=$work/tmp.%n
$(sed "s/@HOST@/$(hostname)/; s/@PORT1@/$((port + 1))/; s/@PORT2@/$((port + 2))/; s/@PORT3@/$((port + 3))/")
CONF
    mkdir "$work/state" "$work"/tmp.n{0,1,2} "$work"/spool.n{0,1,2}
    head -c 1024 /dev/urandom >"$work/munge.key"
    chmod 600 "$work/munge.key"
    munged --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munge.pid" \
        --log-file="$work/munge.log" --seed-file="$work/munge.seed" 2>"$work/err" || skip "munged: $(cat "$work/err")"
    slurmctld -c 2>"$work/err" || skip "slurmctld: $(cat "$work/err")"
    for n in 0 1 2; do slurmd -N n$n 2>"$work/err" || skip "slurmd: $(cat "$work/err")"; done
    for ((i = 0; i < 150; i++)); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null | head -1)" != 3 ] || break
        sleep 0.2
    done
    [ "$(sinfo -h -t idle -o %D | head -1)" = 3 ] ||
        skip "the three nodes of Slurm did not come: $(sinfo -h -N -o '%N %t' | tr '\n' ' ')"
}
