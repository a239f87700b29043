# Sourced by the tests of the command line: makes a BERT classifier and a LLaMA of a few hundred weights, without any tool
# that a bare machine lacks.

# tensor NAME ELEMENTS SHAPE...: adds a tensor of random values between 0.03 and 0.12 and their negatives.
tensor() {
    local name=$1 elements=$2 start=$offset
    shift 2
    offset=$((offset + 4 * elements))
    header+="${header:+,}\"$name\":{\"dtype\":\"F32\",\"shape\":[$(IFS=,; echo "$*")],\"data_offsets\":[$start,$offset]}"
}

# A little-endian 64-bit number, as bytes.
bytes64() {
    local i
    for i in 0 8 16 24 32 40 48 56; do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\x$(printf %02x $((($1 >> i) & 255)))"
    done
}

# write_safetensors FILE HEADER BYTES [HIGH]: a file with this header and so many bytes of data. HIGH, the highest byte of
# positive values, is 61 (they are from 0.03 to 0.12) or 62 (from 0.12 to 0.5).
write_safetensors() {
    {
        bytes64 "${#2}"
        printf %s "$2"
        LC_ALL=C awk -v n=$(($3 / 4)) -v high="${4:-61}" 'BEGIN {
            srand(7)
            for (i = 0; i < n; i++)
                printf "%c%c%c%c", 1 + rand() * 254, 1 + rand() * 254, 1 + rand() * 254, rand() < 0.5 ? high : high + 128
        }'
    } >"$1"
}

# make_tiny_model DIR: hidden size 8, 1 layer, 2 heads, 16 positions, 3 labels. Sets tiny_header and tiny_bytes.
make_tiny_model() {
    local words="[PAD] [UNK] [CLS] [SEP] [MASK] hello world a good bad film it is was . , ! ? ##s ##ing"
    local vocabulary p=encoder.layer.0.
    local header="" offset=0
    mkdir -p "$1"
    # shellcheck disable=SC2086 # one word a line
    printf '%s\n' $words >"$1/vocab.txt"
    vocabulary=$(wc -l <"$1/vocab.txt")
    cat >"$1/config.json" <<JSON
{"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": 8,
 "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16,
 "type_vocab_size": 2, "vocab_size": $vocabulary, "layer_norm_eps": 1e-12, "pad_token_id": 0,
 "id2label": {"0": "red", "1": "green", "2": "blue"}}
JSON
    tensor embeddings.word_embeddings.weight $((vocabulary * 8)) "$vocabulary" 8
    tensor embeddings.position_embeddings.weight 128 16 8
    tensor embeddings.token_type_embeddings.weight 16 2 8
    for name in embeddings.LayerNorm ${p}attention.output.LayerNorm ${p}output.LayerNorm; do
        tensor $name.weight 8 8
        tensor $name.bias 8 8
    done
    for name in attention.self.query attention.self.key attention.self.value attention.output.dense; do
        tensor $p$name.weight 64 8 8
        tensor $p$name.bias 8 8
    done
    tensor ${p}intermediate.dense.weight 128 16 8
    tensor ${p}intermediate.dense.bias 16 16
    tensor ${p}output.dense.weight 128 8 16
    tensor ${p}output.dense.bias 8 8
    tensor pooler.dense.weight 64 8 8
    tensor pooler.dense.bias 8 8
    tensor classifier.weight 24 3 8
    tensor classifier.bias 3 3
    tiny_header="{$header}" tiny_bytes=$offset
    write_safetensors "$1/model.safetensors" "$tiny_header" "$tiny_bytes"
}

# make_tiny_decoder DIR: hidden size 8, 2 layers, 2 heads on 1 of keys, 64 positions; a token for each small letter, the
# blank and the full stop, and none that ends a text.
make_tiny_decoder() {
    local letters vocabulary words="" header="" offset=0 i layer name
    letters=(Ġ . {a..z})
    vocabulary=${#letters[@]}
    mkdir -p "$1"
    for ((i = 0; i < vocabulary; i++)); do words+="${words:+,}\"${letters[i]}\":$i"; done
    cat >"$1/tokenizer.json" <<JSON
{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "post_processor": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
 "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": false, "vocab": {$words}, "merges": []}}
JSON
    cat >"$1/config.json" <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 8,
 "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
 "max_position_embeddings": 64, "vocab_size": $vocabulary, "rms_norm_eps": 1e-5, "tie_word_embeddings": false}
JSON
    tensor model.embed_tokens.weight $((vocabulary * 8)) "$vocabulary" 8
    for layer in model.layers.0 model.layers.1; do
        for name in input_layernorm post_attention_layernorm; do tensor $layer.$name.weight 8 8; done
        for name in q o; do tensor $layer.self_attn.${name}_proj.weight 64 8 8; done
        for name in k v; do tensor $layer.self_attn.${name}_proj.weight 32 4 8; done
        for name in gate up; do tensor $layer.mlp.${name}_proj.weight 128 16 8; done
        tensor $layer.mlp.down_proj.weight 128 8 16
    done
    tensor model.norm.weight 8 8
    tensor lm_head.weight $((vocabulary * 8)) "$vocabulary" 8
    tiny_header="{$header}" tiny_bytes=$offset
    write_safetensors "$1/model.safetensors" "$tiny_header" "$tiny_bytes" 62
}
