# Sourced by tests of the gateway, after parties.sh.

# gateway ARGUMENT...: starts one at a free port and waits until it answers (with --id: until it listens); its address in
# `url`, its lines in $work/log, its process in pid[1].
gateway() {
    local address=(--http 127.0.0.1:0)
    case " $* " in *" --http "*) address=() ;; esac
    : >"$work/log"
    "${prefix[@]}" "$trefoil" gateway "${address[@]}" "$@" 2>"$work/log" &
    pid[1]=$!
    until_line 30 "$work/log" "listening at" || complain "the gateway does not listen: $(cat "$work/log")"
    url=$(sed -n 's/.*listening at \(.*\)\/$/\1/p' "$work/log")
    case " $* " in *" --id "*) ;; *) until_health 30 200 ;; esac
}

# until_health SECONDS STATUS: waits until /health has this status.
until_health() {
    local end=$((SECONDS + $1))
    until ask /health "" -k && [ "$status" = "$2" ]; do
        [ $SECONDS -lt $end ] || { complain "/health is $status, not $2: $(tail -3 "$work/log")"; return 1; }
        sleep 0.1
    done
}

# stop_gateway: ends it, as its operator would.
stop_gateway() {
    kill -TERM "${pid[1]}"
    await 20 1
    [ "$status" = 0 ] || complain "the gateway ended with $status: $(tail -3 "$work/log")"
    pid[1]=
}

# ask PATH BODY [CURL OPTION...]: the answer in $work/answer, its status in `status`. An empty body: GET.
ask() {
    local path=$1 body=$2 what=()
    shift 2
    [ -z "$body" ] || what=(-H "Content-Type: application/json" --data-binary "$body")
    status=$(curl -sN --max-time 60 -o "$work/answer" -w '%{http_code}' "${what[@]}" "$@" "$url$path")
}
