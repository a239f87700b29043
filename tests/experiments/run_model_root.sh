#!/usr/bin/env bash
# Which shared model it is: all three parties' parts and share-model tell one root, another sharing has another, and a part
# that was changed is found. A party that wants a certain model gets no other.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/parties.sh
. "$here/../support/parties.sh"

make_tiny_model "$work/tiny"
make_parties || exit 1
sed -i 's/"model owner"//' "$work/parties.json"
root_in() { grep -oE '"model_root": "[0-9a-f]{64}"' "$1" | cut -d'"' -f4; }
for name in shared again; do
    packed=$([ $name = shared ] || echo --packed)
    # shellcheck disable=SC2086
    "$trefoil" share-model --model "$work/tiny" $packed --out "$work/$name" --json >"$work/$name.json" || complain "share-model"
done
root=$(root_in "$work/shared.json") other=$(root_in "$work/again.json")
[ -n "$root" ] && [ -n "$other" ] && [ "$root" != "$other" ] || complain "roots: '$root' and '$other'"
for n in 0 1 2; do
    "$trefoil" verify --model-shares "$work/shared/party$n" --model-root "$root" --json >"$work/out" || complain "party $n is not verified"
    [ "$(root_in "$work/out")" = "$root" ] || complain "party $n has another root: $(cat "$work/out")"
    "$trefoil" verify --model-shares "$work/again/party$n" --model-root "$other" >"$work/out" || complain "party $n, packed, is not verified"
done

# refused PATTERN COMMAND...
refused() {
    local pattern=$1
    shift
    "$@" >"$work/out" 2>"$work/err" && complain "$* went through"
    grep -q "$pattern" "$work/err" || complain "no '$pattern' in: $(cat "$work/err")"
}
refused "another model" "$trefoil" verify --model-shares "$work/shared/party1" --model-root "$other"
refused "64 hexadecimal digits" "$trefoil" verify --model-shares "$work/shared/party1" --model-root 12
refused "another model" "$trefoil" infer --local --model-shares "$work/shared" --text hello --model-root "$other"

start 0 --model-shares "$work/shared" && start 2 --model-shares "$work/shared"
start 1 --model-shares "$work/shared" --model-root "$root" --text hello
for n in 0 1 2; do
    await 60 $n
    [ "$status" = 0 ] || complain "party $n: $(cat "$work/err$n")"
    pid[n]=
done

printf x | dd of="$work/shared/party1/weights.shares" bs=1 seek=4200 conv=notrunc 2>/dev/null
refused "does not have its digest" "$trefoil" verify --model-shares "$work/shared/party1"

conclude
