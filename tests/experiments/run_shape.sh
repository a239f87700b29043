#!/usr/bin/env bash
# A run on a simulated network takes as long as forecast for that network, plus what computing takes, and not much longer.
set -uo pipefail
trefoil=$1/trefoil
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
number() { sed "s/.*\"$1\": {*\(\"seconds\": \)*\([0-9.e+-]*\).*/\2/" <<<"$2"; }
what=(--arch bert-tiny --layers 1 --seq 16)

for network in 4ms,1000mbit 1ms,20mbit; do
    cost=$("$trefoil" cost "${what[@]}" --network $network --json) || complain "cost"
    plain=$("$trefoil" bench --local "${what[@]}" --json) || complain "bench"
    shaped=$("$trefoil" bench --local "${what[@]}" --shape $network --json) || complain "bench --shape $network"
    forecast=$(number network "$cost") computing=$(number online "$plain") took=$(number online "$shaped")
    echo "$network: forecast $forecast s for messages, $computing s without a network, $took s with it"
    awk -v f="$forecast" -v t="$took" 'BEGIN { exit !(f > 0.05 && t >= 0.99 * f) }' || complain "$network: faster than the network"
    awk -v f="$forecast" -v c="$computing" -v t="$took" 'BEGIN { exit !(t <= 4 * (f + c) + 1) }' || complain "$network: $took s"
done
"$trefoil" cost "${what[@]}" --network lan | grep -q "on a network of 1 ms (round trip) and 5000 Mbit/s" || complain "lan"
far=$("$trefoil" cost "${what[@]}" --network lan --shape 40ms,400mbit)
grep -q "on a network of 40 ms (round trip) and 400 Mbit/s" <<<"$far" || complain "planned for lan, over another: $far"
[ "$(grep rounds <<<"$far")" = "$("$trefoil" cost "${what[@]}" --network lan | grep rounds)" ] || complain "other plan"
"$trefoil" cost "${what[@]}" --shape 5 >/dev/null 2>&1 && complain "cost took dimensions for a network"
"$trefoil" cost "${what[@]}" --network fast >/dev/null 2>&1 && complain "a network without numbers was accepted"
refusal=$("$trefoil" bench --local --step relu --shape slow 2>&1)
grep -q -- "--shape 'slow' is none of lan" <<<"$refusal" || complain "--shape slow: $refusal"
refusal=$("$trefoil" bench --local --step relu --shape 5 2>&1)
grep -q "dimensions go with --op only, otherwise it names a network" <<<"$refusal" || complain "--shape 5: $refusal"
conclude
