"""Makes a Hugging Face directory of stories15M as llama2.c ships it: one file with the model (version 0 of llama2.c's
format) and, after it, the tokenizer. Needs nothing but Python 3.

    stories15m.py llama2.data DIR
"""

import array
import json
import os
import struct
import sys

SIZES = ("dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len")
STORIES15M = dict(zip(SIZES, (288, 768, 6, 6, 6, 32000, 256)))
BYTES = 256
SPECIAL = ("<unk>", "<s>", "</s>")
SPACE = "\u2581"  # what SentencePiece writes for a space


def take(data, at, count):
    """`count` little-endian floats, and where the next ones begin."""
    end = at + 4 * count
    if end > len(data):
        raise ValueError(f"the model ends at byte {len(data)}, within a tensor up to byte {end}")
    return data[at:end], end


def halves(rows, width, heads):
    """The rows of each head from neighbouring pairs, as llama2.c rotates them, to Hugging Face's two halves."""
    size = 4 * width
    depth = len(rows) // size // heads
    order = [head * depth + i for head in range(heads) for i in (*range(0, depth, 2), *range(1, depth, 2))]
    return b"".join(rows[i * size : (i + 1) * size] for i in order)


def read_model(data):
    """The sizes, the tensors as {name: (shape, bytes)}, and where the tokenizer begins."""
    size = dict(zip(SIZES, struct.unpack_from("<7i", data)))
    if size != STORIES15M:
        raise ValueError(f"this is not stories15M: its sizes are {size}")
    dim, hidden, layers = size["dim"], size["hidden_dim"], size["n_layers"]
    kv = dim // size["n_heads"] * size["n_kv_heads"]
    tensors, at = {}, 4 * len(SIZES)
    raw, at = take(data, at, size["vocab_size"] * dim)
    tensors["model.embed_tokens.weight"] = ([size["vocab_size"], dim], raw)
    for name, shape in (
        ("input_layernorm", [dim]),
        ("self_attn.q_proj", [dim, dim]),
        ("self_attn.k_proj", [kv, dim]),
        ("self_attn.v_proj", [kv, dim]),
        ("self_attn.o_proj", [dim, dim]),
        ("post_attention_layernorm", [dim]),
        ("mlp.gate_proj", [hidden, dim]),
        ("mlp.down_proj", [dim, hidden]),
        ("mlp.up_proj", [hidden, dim]),
    ):
        for layer in range(layers):
            raw, at = take(data, at, shape[0] * (shape[1] if len(shape) > 1 else 1))
            if name in ("self_attn.q_proj", "self_attn.k_proj"):
                raw = halves(raw, dim, size["n_heads"] if name == "self_attn.q_proj" else size["n_kv_heads"])
            tensors[f"model.layers.{layer}.{name}.weight"] = (shape, raw)
    raw, at = take(data, at, dim)
    tensors["model.norm.weight"] = ([dim], raw)
    _, at = take(data, at, size["seq_len"] * (dim // size["n_heads"]))  # tables for RoPE, which nobody reads
    return size, tensors, at


def read_pieces(data, at, count):
    """The pieces of the vocabulary and their scores, by id."""
    at += 4  # the longest piece
    pieces, scores = [], []
    for number in range(count):
        score, length = struct.unpack_from("<fi", data, at)
        at += 8
        if not 0 <= length <= len(data) - at:
            raise ValueError(f"piece {number} has a length of {length}")
        if number < len(SPECIAL):
            piece = SPECIAL[number]
        elif number < len(SPECIAL) + BYTES:
            piece = f"<0x{number - len(SPECIAL):02X}>"
        else:
            piece = data[at : at + length].decode("utf-8").replace(" ", SPACE)
        at += length
        pieces.append(piece)
        scores.append(score)
    return pieces, scores


def merges(pieces, scores):
    """All splits of a piece into two others: by the piece's score, best first, its id, and the ids of left and right."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = []
    for piece in pieces[len(SPECIAL) + BYTES :]:
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                found.append((-scores[ids[piece]], ids[piece], ids[left], ids[right], f"{left} {right}"))
    return [merge for *_, merge in sorted(found)]


def tokenizer(pieces, scores):
    """tokenizer.json: byte-pair encoding with byte fallback, a space in front of the text, <s> before all."""
    start = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": piece, **flags} for number, piece in enumerate(SPECIAL)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                start,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": SPECIAL[0],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": merges(pieces, scores),
        },
    }


def config(size):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": size["dim"],
        "intermediate_size": size["hidden_dim"],
        "num_hidden_layers": size["n_layers"],
        "num_attention_heads": size["n_heads"],
        "num_key_value_heads": size["n_kv_heads"],
        "max_position_embeddings": size["seq_len"],
        "vocab_size": size["vocab_size"],
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float32",
    }


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, raw) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, raw in tensors.values():
            file.write(raw)


def write_json(directory, name, value):
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=None if name == "tokenizer.json" else 2, ensure_ascii=False)
        file.write("\n")


def check_finite(tensors):
    for name, (_, raw) in tensors.items():
        values = array.array("f", raw)
        if sys.byteorder == "big":
            values.byteswap()
        if not all(abs(x) < 1e4 for x in values):
            raise ValueError(f"{name} has weights that are not small numbers")


def main(source, directory):
    with open(source, "rb") as file:
        data = file.read()
    size, tensors, at = read_model(data)
    check_finite(tensors)
    pieces, scores = read_pieces(data, at, size["vocab_size"])
    os.makedirs(directory, exist_ok=True)
    write_json(directory, "config.json", config(size))
    write_json(directory, "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    write_json(directory, "tokenizer.json", tokenizer(pieces, scores))
    write_safetensors(os.path.join(directory, "model.safetensors"), tensors)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: stories15m.py llama2.data DIR")
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, struct.error) as error:
        sys.exit(f"stories15m.py: {error}")
