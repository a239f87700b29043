#!/usr/bin/env bash
# Three hosts, simulated by three network namespaces on a bridge: parties started separately and by mpirun, a capture of all
# that passes the bridge, a host that is cut off, and a slow network. Needs root and namespaces; skipped without.
set -uo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
trefoil=$(cd "$1" && pwd)/trefoil
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"

skip() {
    echo "skipped: $*"
    exit 77
}
command -v ip >/dev/null || skip "three hosts need ip (iproute2)"
hosts=(trefoil$$-0 trefoil$$-1 trefoil$$-2) switch=trefoil$$-switch
ip netns add "$switch" 2>/dev/null || skip "network namespaces are not permitted here (root is needed)"

clean_up() {
    local n inside
    for n in "${hosts[@]}" "$switch"; do
        inside=$(ip netns pids "$n" 2>/dev/null)
        # shellcheck disable=SC2086 # one word a process
        [ -z "$inside" ] || kill -KILL $inside 2>/dev/null
        ip netns del "$n" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

# The three hosts, their cables, and the bridge.
plug() {
    local n
    ip -n "$switch" link add bridge type bridge && ip -n "$switch" link set bridge up || return 1
    for n in 0 1 2; do
        ip netns add "${hosts[n]}" &&
            ip link add cable netns "${hosts[n]}" type veth peer name "port$n" netns "$switch" &&
            ip -n "$switch" link set "port$n" master bridge up &&
            ip -n "${hosts[n]}" addr add "10.213.7.$((n + 1))/24" dev cable &&
            ip -n "${hosts[n]}" link set cable up && ip -n "${hosts[n]}" link set lo up || return 1
    done
}
plug 2>"$work/err" || skip "virtual cables and bridges are not permitted here: $(cat "$work/err")"
make_tiny_model "$work/tiny"
make_parties 10.213.7.1 10.213.7.2 10.213.7.3 || exit 1
mkdir "$work/config_only" "$work/words_only"
cp "$work/tiny"/config.json "$work/config_only"
cp "$work/tiny"/{config.json,vocab.txt} "$work/words_only"
for ((i = 0; i < 64; i++)); do echo "good film hello world it was a bad film"; done >"$work/texts.txt"

on() { # on N COMMAND...: on host N, which has a name of its own
    local n=$1
    shift
    ip netns exec "${hosts[n]}" unshare -u sh -c 'hostname "host$0" && exec "$@"' "$n" "$@"
}
party() { # party N ARGUMENT...: party N on its host, in the background
    local n=$1
    prefix=(ip netns exec "${hosts[n]}")
    start "$@"
    prefix=()
}
apart() { # apart ARGUMENT...: all three, the arguments for all
    party 2 "$@"
    party 0 --model "$work/tiny" "$@"
    party 1 --input "$work/texts.txt" --json "$@"
}

# --- The lines of HOSTS.md, as they stand: names of hosts, /srv of each host, and the program in the path.
names=(models texts helper)
at() { # at N COMMAND: in a shell on host N, which has its name, knows the others', and has its own directory in /srv
    ip netns exec "${hosts[$1]}" unshare -m -u sh -c "hostname ${names[$1]}; mount --bind $work/hosts /etc/hosts
        mount --bind $work/srv$1 /srv; cd /srv/${names[$1]}; PATH=$(dirname "$trefoil"):\$PATH; $2"
}
block() { sed -n "/^## $1/,\$p" "$here/../../experiments/HOSTS.md" | awk '/^```/ { if (inside) exit; inside = 1; next } inside'; }
for n in 0 1 2; do
    own=$work/srv$n/${names[n]}
    echo "10.213.7.$((n + 1)) ${names[n]}" >>"$work/hosts"
    mkdir -p "$own"
    cp "$work/parties.json" "$own/"
    cp -r "$work/id$n" "$own/key" && cp -r "$work/id$n" "$own/my-key"
done
echo "127.0.0.1 localhost" >>"$work/hosts"
cp -r "$work/tiny" "$work/srv0/models/M" && cp -r "$work/tiny" "$work/srv0/models/DIR"
cp -r "$work/words_only" "$work/srv1/texts/V" && cp "$work/texts.txt" "$work/srv1/texts/"
cp -r "$work/config_only" "$work/srv2/helper/C"

for n in 2 0 1; do
    line=$(block "Each party by itself" | sed -n "s/^${names[n]}\$ *//p")
    [ -n "$line" ] || complain "HOSTS.md has no line of ${names[n]}"
    at $n "exec $line" >"$work/out$n" 2>"$work/err$n" </dev/null &
    pid[n]=$!
done
for n in 0 1 2; do
    await 60 $n
    [ "$status" = 0 ] || complain "HOSTS.md, party $n: status $status: $(cat "$work/err$n")"
done
[ "$(grep -o '"index"' "$work/out1" | wc -l)" = 64 ] || complain "HOSTS.md, party 1: $(head -c 300 "$work/out1")"

cat >"$work/reach" <<SSH
#!/usr/bin/env bash
case \$1 in texts) n=1 ;; helper) n=2 ;; *) n=0 ;; esac
shift
exec ip netns exec trefoil$$-\$n unshare -m -u sh -c "hostname \$(echo models texts helper | cut -d ' ' -f \$((n + 1)))
    mount --bind $work/hosts /etc/hosts; mount --bind $work/srv\$n /srv; PATH=$(dirname "$trefoil"):\$PATH; \$*"
SSH
chmod +x "$work/reach"
export OMPI_MCA_plm_rsh_agent=$work/reach OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=10.213.7.0/24 \
    OMPI_MCA_oob_tcp_if_include=10.213.7.0/24
at 0 "timeout -k 5 60 $(block "One operator: mpirun")" >"$work/out" 2>"$work/err" </dev/null || complain "HOSTS.md, mpirun: $(cat "$work/err")"
grep -q "^  63 .*good film" "$work/out" || complain "HOSTS.md, mpirun: $(head -c 300 "$work/out")"
unset "${!OMPI_MCA_plm_rsh_agent@}" "${!OMPI_MCA_btl@}" "${!OMPI_MCA_oob_tcp@}"

# --- Started separately, while all that passes the bridge is recorded.
captures=$(command -v tcpdump)
if [ -n "$captures" ]; then
    ip netns exec "$switch" tcpdump -i bridge -B 65536 -U -s 0 -w "$work/wire" 2>"$work/tcpdump" &
    recorder=$!
    until_line 10 "$work/tcpdump" "listening on" || complain "tcpdump does not listen: $(cat "$work/tcpdump")"
fi
apart --wait 20
for n in 0 1 2; do
    await 60 $n
    [ "$status" = 0 ] || complain "party $n apart: status $status: $(cat "$work/err$n")"
done
[ "$(grep -o '"index"' "$work/out1" | wc -l)" = 64 ] || complain "not 64 results: $(head -c 300 "$work/out1")"
if [ -n "$captures" ]; then
    for ((i = 0, whole = -1; i < 20 && whole != $(stat -c %s "$work/wire"); i++)); do # until it has kept up
        whole=$(stat -c %s "$work/wire")
        sleep 1
    done
    kill -INT $recorder
    wait $recorder 2>/dev/null
    whole=$(stat -c %s "$work/wire")
    sent=$(sed 's/.*"bytes": {"total": \([0-9]*\).*/\1/' "$work/out1")
    # on a busy machine it may not: packets are dropped, or are not read by the end
    missed=$(awk '/ captured$/ { captured = $1 } / received by filter$/ { received = $1 } END { print received - captured }' "$work/tcpdump")
    [ "$missed" != 0 ] || [ "$whole" -ge "$sent" ] || complain "the capture holds $whole bytes of at least $sent"
    occurs() { LC_ALL=C grep -qaF -- "$1" "$work/wire"; }
    occurs "trefoil" || complain "the capture does not show the hello, so it would not show anything else"
    # Texts and words, the architecture (which the model owner tells the others), names of labels, certificates' names.
    for word in "good" "hello" "film" "[MASK]" "hidden_size" "BertFor" "green" "trefoil party"; do
        ! occurs "$word" || complain "the wire shows \"$word\""
    done
    # Weights: pieces of 8 bytes of the file; and token ids, as 4-byte words of the first text.
    pattern() { od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n' | sed 's/../\\x&/g'; }
    data=$(($(stat -c %s "$work/tiny/model.safetensors") - tiny_bytes))
    LC_ALL=C grep -qaP "$(pattern "$work/tiny/model.safetensors" "$data" 8)" "$work/tiny/model.safetensors" || complain "a piece is not found in its own file"
    for ((at = 0; at < tiny_bytes; at += 64)); do
        piece=$(pattern "$work/tiny/model.safetensors" $((data + at)) 8)
        ! LC_ALL=C grep -qaP "$piece" "$work/wire" || { complain "the wire shows the weights at $at"; break; }
    done
    ids=$("$trefoil" tokenize --model "$work/tiny" --text "good film hello world" | tr -d '[],' | tr ' ' '\n' | tail -n +2 | head -4)
    # shellcheck disable=SC2059,SC2086 # the formats are the bytes
    words=$(for id in $ids; do printf '\\x%02x\\x00\\x00\\x00' $id; done)
    ! LC_ALL=C grep -qaP "$words" "$work/wire" || complain "the wire shows token ids"
    # What is encrypted cannot be compressed; headers can.
    packed=$(gzip -1 <"$work/wire" | wc -c)
    echo "capture: $whole bytes ($sent of messages, $missed packets missed), compressed $packed"
    [ "$missed" != 0 ] || [ "$packed" -ge "$sent" ] || complain "the wire can be compressed from $whole to $packed bytes, less than the $sent that were sent"
else
    echo "no capture: tcpdump is not installed (experiments/setup.sh capture)"
fi

# --- Started by mpirun, which reaches the other hosts with an agent in place of ssh.
cat >"$work/agent" <<AGENT
#!/usr/bin/env bash
n=\$((\${1##*.} - 1)); shift
exec ip netns exec trefoil$$-\$n unshare -u sh -c "hostname host\$n; \$*"
AGENT
chmod +x "$work/agent"
job() { # job SECONDS ARGUMENT...: each party with its own directory; party N has %N in the arguments replaced
    local limit=$1 n model_of=("$work/tiny" "$work/words_only" "$work/config_only") command=()
    shift
    for n in 0 1 2; do
        command+=(: -n 1 "$trefoil" infer --model "${model_of[n]}" --json "${@//%N/$n}")
        [ $n != 1 ] || command+=(--input "$work/texts.txt")
    done
    on 0 timeout -k 5 "$limit" mpirun --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.213.7.0/24 \
        --mca oob_tcp_if_include 10.213.7.0/24 --mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 2 \
        --mca oob_tcp_keepalive_probes 2 --host 10.213.7.1:1,10.213.7.2:1,10.213.7.3:1 "${command[@]:1}"
}
keys=(--parties "$work/parties.json" --identity "$work/id%N")
job 60 "${keys[@]}" >"$work/out" 2>"$work/err" </dev/null || complain "mpirun: $(cat "$work/err")"
[ "$(grep -o '"index"' "$work/out" | wc -l)" = 64 ] || complain "mpirun: not 64 results: $(head -c 300 "$work/out")"
job 60 >"$work/out" 2>"$work/err" </dev/null && complain "mpirun across hosts without --parties did not refuse"
grep -q "several hosts.*trefoil keygen" "$work/err" || complain "mpirun without --parties: $(cat "$work/err")"

# --- A sweep, whose points run on the three hosts.
cat >"$work/hosts.toml" <<T
measure = ["time", "accuracy"]
[models.tiny]
path = "$work/tiny"
data = "$work/labelled.tsv"
[axes]
network = ["hosts"]
seq = [8]
[hosts]
names = ["10.213.7.1", "10.213.7.2", "10.213.7.3"]
parties = "$work/parties.json"
identities = ["$work/id0", "$work/id1", "$work/id2"]
T
{ printf 'sentence\tlabel\n' && for i in 1 2 3; do printf 'good film hello world\tred\nbad film .\tgreen\n'; done; } >"$work/labelled.tsv"
sweep() {
    OMPI_MCA_plm_rsh_agent=$work/agent OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=10.213.7.0/24 OMPI_MCA_oob_tcp_if_include=10.213.7.0/24 \
        on 0 timeout -k 5 120 "$trefoil" sweep "$@"
}
if /usr/bin/python3 -c 'import tomllib' 2>/dev/null; then
    sweep "$work/hosts.toml" --out "$work/swept" >"$work/out" 2>"$work/err" </dev/null || complain "a sweep: $(cat "$work/err")"
    [ "$(sweep "$work/swept" --table csv --where network=hosts | grep -c '^time,tiny,')" = 1 ] || complain "a sweep has no time over hosts"
    [ "$(sweep "$work/swept" --table csv | grep -c '^accuracy,tiny,')" = 1 ] || complain "a sweep has no accuracy"
fi

# --- A slow network: tbf lets each host send no more than 8 Mbit/s.
slow=0
for n in 0 1 2; do
    ip netns exec "${hosts[n]}" tc qdisc add dev cable root tbf rate 8mbit burst 16kb latency 400ms 2>/dev/null && slow=$((slow + 1))
done
if [ $slow = 3 ]; then
    apart --wait 20
    for n in 0 1 2; do
        await 60 $n
        [ "$status" = 0 ] || complain "party $n on the slow network: $(cat "$work/err$n")"
    done
    # 1 MB/s; the busiest host's share of the bytes, less what the bucket lets through at once
    most=$(grep -o '"links": [^}]*\]\]' "$work/out1" | tr -d '"links: []' | tr ',' ' ' |
        awk '{ for (i = 0; i < 3; i++) { s = $(3*i+1) + $(3*i+2) + $(3*i+3); if (s > m) m = s } print m }')
    online=$(sed 's/.*"online": \([0-9.e-]*\).*/\1/' "$work/out1")
    echo "slow network: $most bytes from the busiest host at 1 MB/s in $online s"
    awk -v s="$online" -v b="$most" 'BEGIN { exit !(s >= 0.8 * (b - 16384) / 1e6) }' || complain "faster than the network: $online s"
    for n in 0 1 2; do ip netns exec "${hosts[n]}" tc qdisc del dev cable root; done
else
    echo "no slow network: tc tbf is not permitted here"
fi

# --- A host is cut off in mid-run: no farewell, no reset, just silence. Once so much has come from it that the parties
# compute, however fast they are, and with most of the texts to come.
for ((i = 0; i < 12; i++)); do cat "$work/texts.txt"; done >"$work/many.txt"
mv "$work/many.txt" "$work/texts.txt"
sent_by_2() { ip -n "$switch" -s link show port2 | awk '/RX:/ { getline; print $1 }'; }
cut_off() { # cut_off BEFORE: when host 2 has sent 2 MB more
    local i
    for ((i = 0; i < 2000; i++)); do
        [ $(($(sent_by_2) - $1)) -ge 2000000 ] && break
        sleep 0.02
    done
    ip -n "$switch" link set port2 down
}
before=$(sent_by_2)
apart --wait 20 --timeout 4 --batch 1
cut_off "$before"
for n in 0 1 2; do
    await 20 $n
    [ "$status" = 1 ] || complain "cut off: party $n ended with status $status: $(cat "$work/err$n")"
    [ ! -s "$work/out$n" ] || complain "cut off: party $n printed a result"
    echo "cut off: party $n: $(tail -1 "$work/err$n")"
done
for n in 0 1; do tail -1 "$work/err$n" | grep -q "party 2" || complain "cut off: party $n does not name party 2: $(tail -1 "$work/err$n")"; done
ip -n "$switch" link set port2 up

cut_off "$(sent_by_2)" &
job 45 "${keys[@]}" --timeout 4 --batch 1 >"$work/out" 2>"$work/err" </dev/null
status=$?
[ $status != 0 ] && [ $status != 124 ] && [ $status != 137 ] || complain "cut off under mpirun: status $status: $(tail -5 "$work/err")"
[ ! -s "$work/out" ] || complain "cut off under mpirun: a result was printed"
grep '^trefoil: ' "$work/err" | sed 's/^/cut off under mpirun: /'
grep -q '^trefoil: .*party 2' "$work/err" || complain "cut off under mpirun: nobody names party 2: $(cat "$work/err")"
sleep 1
for n in 0 1; do
    left=$(ip netns pids "${hosts[n]}" | wc -l)
    [ "$left" = 0 ] || complain "cut off under mpirun: $left processes are left on host $n"
done

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
