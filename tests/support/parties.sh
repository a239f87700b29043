# Sourced by tests of separately started parties, which set `trefoil` (the program). Brings checks.sh along; whatever
# party is left at the end is killed.

# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

clean_up() {
    local n
    for n in 0 1 2; do [ -z "${pid[n]:-}" ] || kill -KILL "${pid[n]}" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

# make_parties [HOST0 HOST1 HOST2]: keys id0..id2 and parties.json, with ports that are free now on the loopback.
make_parties() {
    local hosts=("${1:-127.0.0.1}" "${2:-127.0.0.1}" "${3:-127.0.0.1}") roles=('"model owner"' '"data owner"' '')
    local i fingerprint list="" port=$((20000 + RANDOM % 12000))
    for i in 0 1 2; do
        while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
        fingerprint=$("$trefoil" keygen --party $i --out "$work/id$i" 2>/dev/null) || return 1
        list+="${list:+,}{\"host\":\"${hosts[i]}\",\"port\":$port,\"fingerprint\":\"$fingerprint\",\"roles\":[${roles[i]}]}"
        port=$((port + 1))
    done
    echo "{\"parties\":[$list]}" >"$work/parties.json"
}

# start N ARGUMENT...: party N in the background, with its output in out$N and err$N and its process in pid[N].
pid=()
start() {
    local n=$1
    shift
    "${prefix[@]}" "$trefoil" party --id "$n" --parties "$work/parties.json" --identity "$work/id$n" "$@" \
        >"$work/out$n" 2>"$work/err$n" </dev/null &
    pid[n]=$!
}
prefix=()

# await SECONDS N: the exit status of party N in `status`; 124 if it does not end in time.
await() {
    local end=$((SECONDS + $1))
    while kill -0 "${pid[$2]}" 2>/dev/null; do
        if [ $SECONDS -ge $end ]; then
            status=124
            return
        fi
        sleep 0.05
    done
    wait "${pid[$2]}"
    status=$?
}

# until_line SECONDS FILE PATTERN: waits until the file has such a line.
until_line() {
    local end=$((SECONDS + $1))
    until grep -q -- "$3" "$2" 2>/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}
