#!/usr/bin/env bash
# Owners who are no compute party: a model and texts are split into share files, three processes compute on them without
# knowing either, and the results of two put together are the plain model's.
set -uo pipefail
trefoil=$1/trefoil
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/support/tiny_model.sh
. "$here/../support/tiny_model.sh"
# shellcheck source=tests/support/checks.sh
. "$here/../support/checks.sh"

# refused PATTERN COMMAND...: the command fails with one line that has the pattern, and prints no result.
refused() {
    local pattern=$1
    shift
    "$@" >"$work/out" 2>"$work/err" && complain "no failure where '$pattern' was expected"
    grep -qE "^trefoil: .*$pattern" "$work/err" || complain "no '$pattern' in: $(cat "$work/err")"
    [ ! -s "$work/out" ] || complain "a result where '$pattern' was expected"
}

labels() { grep -o '"label": "[a-z]*"' "$1"; }

model=$work/tiny
make_tiny_model "$model"
printf 'hello world\na good good film . it was good !\nworld\n' >"$work/texts.txt"
"$trefoil" plain --model "$model" --input "$work/texts.txt" --json >"$work/plain"

umask 022
"$trefoil" share-model --model "$model" --out "$work/shared" --json >"$work/out" || complain "share-model"
grep -q '"bytes": \[' "$work/out" || complain "share-model tells no sizes: $(cat "$work/out")"
for p in 0 1 2; do
    part=$work/shared/party$p
    [ "$(stat -c %a "$part/weights.shares")" = 600 ] || complain "the weights of party $p are open to others"
    [ "$(stat -c %a "$part")" = 700 ] || complain "the directory of party $p is open to others"
    [ ! -e "$part/model.safetensors" ] || complain "party $p got the weights"
    [ -e "$part/vocab.txt" ] && grep -q trefoil_approx "$part/config.json" || complain "party $p lacks public files"
done

# A model that no party knows: texts of a party. Each party may have its own part only.
"$trefoil" share-model --model "$model" --packed --out "$work/packed" >"$work/out" || complain "share-model --packed"
for case in shared "shared --stream" packed; do
    read -r name options <<<"$case"
    # shellcheck disable=SC2086
    timeout 60 mpirun --oversubscribe -n 1 "$trefoil" infer --model-shares "$work/$name/party0" --input x --json $options : \
        -n 1 "$trefoil" infer --model-shares "$work/$name/party1" --input "$work/texts.txt" --json $options : \
        -n 1 "$trefoil" infer --model-shares "$work/$name/party2" --input x --json $options >"$work/out" 2>"$work/err" ||
        complain "infer --model-shares $case: $(cat "$work/err")"
    [ "$(labels "$work/out")" = "$(labels "$work/plain")" ] || complain "--model-shares $case: other labels than plain"
done

# Texts that no party knows either.
"$trefoil" share-input --model "$work/shared/party2" --input "$work/texts.txt" --batch 2 --out "$work/texts" >"$work/out" ||
    complain "share-input"
timeout 60 mpirun --oversubscribe -n 3 "$trefoil" infer --model-shares "$work/shared" --input-shares "$work/texts" \
    --result-shares "$work/results" >"$work/out" 2>"$work/err" || complain "infer --input-shares: $(cat "$work/err")"
grep -q "3 texts" "$work/out" && ! grep -q '"logits"' "$work/out" || complain "infer --input-shares: $(cat "$work/out")"
for pair in "0 1" "1 2" "2 0"; do
    read -r a b <<<"$pair"
    "$trefoil" reveal --model "$model" --result-shares "$work/results/party$a" --result-shares "$work/results/party$b" \
        --json >"$work/out" || complain "reveal $pair"
    [ "$(labels "$work/out")" = "$(labels "$work/plain")" ] || complain "reveal $pair: other labels than plain"
done
# With a model that one party owns.
"$trefoil" infer --local --model "$model" --input-shares "$work/texts" --result-shares "$work/results" >"$work/out" ||
    complain "--input-shares with a model owner"
"$trefoil" reveal --model "$model" --result-shares "$work/results" --json >"$work/out" || complain "reveal of one directory"
[ "$(labels "$work/out")" = "$(labels "$work/plain")" ] || complain "--input-shares with a model owner: other labels"

# An empty text is marked, and those after it keep their numbers; --strict ends.
sed '1a\\' "$work/texts.txt" >"$work/gap.txt"
"$trefoil" share-input --model "$work/shared/party2" --input "$work/gap.txt" --out "$work/gaps" >"$work/out" ||
    complain "share-input of an empty text"
"$trefoil" infer --local --model "$model" --input-shares "$work/gaps" --result-shares "$work/gap-results" >"$work/out" ||
    complain "infer of an empty text"
"$trefoil" reveal --model "$model" --result-shares "$work/gap-results" --json >"$work/out" || complain "reveal of an empty text"
grep -q '"index": 1, "error": "the text is empty"}, {"index": 2, "logits"' "$work/out" || complain "an empty text: $(cat "$work/out")"
[ "$(labels "$work/out")" = "$(labels "$work/plain")" ] || complain "an empty text: other labels than plain"
! "$trefoil" share-input --model "$model" --input "$work/gap.txt" --out "$work/gaps" --force --strict 2>"$work/err" ||
    complain "--strict shares an empty text"
grep -q "line 2: the text is empty" "$work/err" || complain "--strict: $(cat "$work/err")"

# An owner that cheats: of some token two rows are selected, no row, or a row with another factor. cheat OUT PLACE: flips
# a bit of what parties 0, 1 and 2 hold, with all digests made anew, as whoever shares texts can.
cheat() {
    cp -r "$work/texts" "$1"
    python3 - "$1" "$2" <<'END'
import hashlib, json, struct, sys
for party in range(3):
    path = f"{sys.argv[1]}/party{party}/texts.shares"
    data = bytearray(open(path, "rb").read())
    offset, length = struct.unpack_from("<QQ", data, 16)
    index = json.loads(data[offset:offset + length])
    entry = next(e for e in index["entries"] if e["name"] == "batch 0 tokens " + sys.argv[2])
    size = entry["shape"][0] * entry["shape"][1] * (entry["bits"] // 8) * (entry["shape"][2] if len(entry["shape"]) > 2 else 1)
    if sys.argv[2] == "vectors" or party != 1:  # each component's vector at its first holder; sign share 0 at its two
        data[entry["offset"] + (entry["shape"][1] * 24 if sys.argv[2] == "signs" and party == 2 else 0)] ^= 4
    entry["digest"] = hashlib.sha256(data[entry["offset"]:entry["offset"] + size]).hexdigest()
    packed = json.dumps(index).encode()
    data = data[:offset] + packed
    struct.pack_into("<QQ", data, 16, offset, len(packed))
    data[32:64] = hashlib.sha256(data[:32] + data[64:4096] + packed).digest()
    open(path, "wb").write(data)
END
}
for place in vectors signs; do
    cheat "$work/cheat-$place" $place
    rm -rf "$work/none"
    refused "do not select one row" "$trefoil" infer --local --model-shares "$work/shared" \
        --input-shares "$work/cheat-$place" --result-shares "$work/none"
    [ -z "$(find "$work/none" -name '*.shares' 2>/dev/null)" ] || complain "results of texts that are none ($place)"
done

# What does not belong together.
local_run=("$trefoil" infer --local --text hello)
refused "shared with 16 fractional bits" "${local_run[@]}" --model-shares "$work/shared" --frac-bits 12
# PUMA's GELU wants the next layer in another encoding; those of other approximations fit, and draw a warning
refused "same --approx" "${local_run[@]}" --model-shares "$work/shared" --approx gelu=puma
refused "party 0, where those of party 1" "${local_run[@]}" --model-shares "$work/shared/party0"
"$trefoil" share-model --model "$model" --out "$work/again" >"$work/out"
cp -r "$work/shared" "$work/mixed"
cp "$work/again/party1/weights.shares" "$work/mixed/party1/"
refused "differ in the sharing of the model" "${local_run[@]}" --model-shares "$work/mixed"
sed -i 's/"num_hidden_layers": 1/"num_hidden_layers": 2/' "$work"/mixed/party*/config.json
refused "the shares of another model" "${local_run[@]}" --model-shares "$work/mixed"
refused "for another model" "$trefoil" infer --local --model "$work/mixed/party0" --input-shares "$work/texts" \
    --result-shares "$work/results"
cp -r "$work/again" "$work/open"
chmod 644 "$work/open/party2/weights.shares"
refused "others may read it" "${local_run[@]}" --model-shares "$work/open"
truncate -s -9 "$work/again/party1/weights.shares"
refused "damaged share file" "${local_run[@]}" --model-shares "$work/again"
refused "reveal.*two parties|two parties are needed" "$trefoil" reveal --model "$model" --result-shares "$work/results/party0"

# Options that contradict each other.
refused "no --model-owner" "${local_run[@]}" --model-shares "$work/shared" --model-owner 1
refused "stream needs --model-shares" "${local_run[@]}" --model "$model" --stream
refused "needs one --result-shares" "$trefoil" infer --local --model "$model" --input-shares "$work/texts"
refused "needs one --result-shares" "${local_run[@]}" --model "$model" --result-shares "$work/results"
refused "needs --model or --model-shares" "${local_run[@]}"
refused "either --text or --input" "$trefoil" infer --local --model "$model"
refused "either --model or --arch" "$trefoil" share-model --out "$work/x"

conclude
