#!/usr/bin/env bash
# Keys, fingerprints and the parties file on the command line; encryption between processes is what happens by default.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"
cd "$work" || exit 1

# says STATUS PATTERN COMMAND...: the command exits so and prints the pattern somewhere.
says() {
    local expected=$1 pattern=$2 output status
    shift 2
    output=$(timeout 60 "$@" 2>&1)
    status=$?
    [ "$status" = "$expected" ] || complain "exit status $status, not $expected: $* says $output"
    grep -qE "$pattern" <<<"$output" || complain "no '$pattern' in what $* says: $output"
}

# Keys.
umask 022
for i in 0 1 2; do
    "$trefoil" keygen --party $i --out key$i >fingerprint$i 2>/dev/null || complain "keygen $i"
    [ "$(stat -c %a key$i/key.pem)" = 600 ] || complain "key.pem has mode $(stat -c %a key$i/key.pem)"
    [ "$("$trefoil" fingerprint key$i)" = "$(cat fingerprint$i)" ] || complain "fingerprint $i"
done
[ "$("$trefoil" fingerprint --json key1/certificate.pem)" = "{\"fingerprint\": \"$(cat fingerprint1)\"}" ] ||
    complain "fingerprint --json"
says 1 'key.pem: exists already' "$trefoil" keygen --party 1 --out key1
says 2 'needs --party' "$trefoil" keygen --out key3
says 2 'fingerprint needs a FILE\|DIR' "$trefoil" fingerprint
says 1 'no certificate' "$trefoil" fingerprint key1/key.pem
grep -rq PRIVATE key1/certificate.pem && complain "the certificate holds the key"

cat >parties.json <<END
{"parties": [
  {"host": "localhost", "port": 7300, "fingerprint": "$(cat fingerprint0)", "roles": ["data owner"]},
  {"host": "localhost", "port": 7301, "fingerprint": "$(cat fingerprint1)", "roles": []},
  {"host": "localhost", "port": 7302, "fingerprint": "$(cat fingerprint2)", "roles": ["model owner"]}
]}
END
sed "s/$(cat fingerprint1)/$(tr 0-9a-f 1-9a-f0 <fingerprint1)/" parties.json >wrong.json

# three FILE KEY0 KEY1 KEY2 OPTION...: a run with a parties file and these identities.
three() {
    local file=$1 keys=("${@:2:3}")
    local command=("$trefoil" bench --step relu --n 100 --runs 1 "${@:5}" --parties "$file" --identity)
    mpirun --oversubscribe -n 1 "${command[@]}" "${keys[0]}" : -n 1 "${command[@]}" "${keys[1]}" : \
        -n 1 "${command[@]}" "${keys[2]}"
}
export trefoil
export -f three

pinned() { says "$1" "$2" bash -c 'three "$@"' three "${@:3}"; }
pinned 0 'relu, output 100' parties.json key0 key1 key2
pinned 1 'party 1: --identity key1 does not go with wrong.json: ' wrong.json key0 key1 key2
pinned 1 'party 1: .*it is the key of party 2 .*, and this is party 1,' parties.json key0 key2 key1
pinned 2 'makes party 2 the model owner and party 0 the data owner' parties.json key0 key1 key2 --model-owner 0
chmod 644 key1/key.pem
pinned 1 'a private key that others may read is none' parties.json key0 key1 key2
chmod 600 key1/key.pem

# What goes without saying, and what does not.
bench=("$trefoil" bench --step relu --n 100 --runs 1)
says 0 'relu, output 100' mpirun --oversubscribe -n 3 "${bench[@]}"
says 0 'warning: --plaintext-links' mpirun --oversubscribe -n 3 "${bench[@]}" --plaintext-links
# Whoever finds it first says it: the two that expect a handshake, or the one that does not.
says 1 'no handshake of a secure link|sent 4096 bytes where party 1 expected' \
    mpirun --oversubscribe -n 1 "${bench[@]}" : -n 1 "${bench[@]}" --plaintext-links : -n 1 "${bench[@]}"
says 2 'belong together' "${bench[@]}" --parties parties.json
says 2 'goes without' "${bench[@]}" --local --plaintext-links
says 2 'leave --parties and --identity out' "${bench[@]}" --parties parties.json --identity key0 --plaintext-links
says 2 'none.json: cannot be opened' "${bench[@]}" --parties none.json --identity key0
says 0 'link \(encrypted\)' mpirun --oversubscribe -n 3 "$trefoil" bench --link --n 100000 --runs 1
says 0 '"all_ways"' "$trefoil" bench --link --n 100000 --runs 1 --local --json

[ $failures = 0 ]
