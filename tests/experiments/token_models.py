"""Models whose layers add nothing, so that a token's logits are known."""
import json
import math
import os
import random
import struct
import sys

WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] anna lives in new york and berlin with her cat . , ! ? ##s ##ing ##ia "
         "who where cafe").split()
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
HIDDEN = 8


def make(name, architecture, seed, head, more=None):
    """A model in the directory of the command line, with one layer of zeros; `head` makes the head's tensors, `more` is of
    config.json. Returns its path, its tensors and the values of its tokens."""
    rng = random.Random(seed)
    rows = lambda n, m: [[rng.uniform(-1, 1) for _ in range(m)] for _ in range(n)]
    zeros = lambda n, m: [[0.0] * m for _ in range(n)]
    tensors = {"embeddings.word_embeddings.weight": rows(len(WORDS), HIDDEN),
               "embeddings.position_embeddings.weight": zeros(32, HIDDEN),
               "embeddings.token_type_embeddings.weight": zeros(2, HIDDEN)}
    layer = "encoder.layer.0."
    for part in ("embeddings.", layer + "attention.output.", layer + "output."):
        tensors[part + "LayerNorm.weight"], tensors[part + "LayerNorm.bias"] = [1.0] * HIDDEN, [0.0] * HIDDEN
    for dense, out, width in (("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
                              ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
                              ("intermediate.dense", 16, HIDDEN), ("output.dense", HIDDEN, 16)):
        tensors[layer + dense + ".weight"], tensors[layer + dense + ".bias"] = zeros(out, width), [0.0] * out
    tensors.update(head(rows, rng))
    path = os.path.join(sys.argv[2], name)
    os.makedirs(path)
    config = {"architectures": [architecture], "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
              "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
              "type_vocab_size": 2, "vocab_size": len(WORDS), "layer_norm_eps": 1e-12, "pad_token_id": 0}
    if "Token" in architecture:
        config["id2label"] = {str(i): label for i, label in enumerate(LABELS)}
    config.update(more or {})
    json.dump(config, open(path + "/config.json", "w"))
    open(path + "/vocab.txt", "w").write("\n".join(WORDS) + "\n")
    flat = lambda v: [x for row in v for x in row] if isinstance(v[0], list) else v
    header, data = {}, b""
    for key, value in tensors.items():
        part = struct.pack("<%df" % len(flat(value)), *flat(value))
        shape = [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    open(path + "/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
    value = {w: norm(norm(norm(row))) for w, row in zip(WORDS, tensors["embeddings.word_embeddings.weight"])}
    return path, tensors, value


def norm(x):
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x))
    return [(v - mean) / deviation for v in x]


def dense(weight, bias, x):
    return [sum(w * v for w, v in zip(row, x)) + b for row, b in zip(weight, bias)]


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def cut(text):
    """Tokens with their places, as BERT's tokenizer cuts these texts."""
    out, i = [], 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        end = i + 1
        while text[i].isalpha() and end < len(text) and text[end].isalpha():
            end += 1
        word = text[i:end].lower().replace("é", "e")
        pieces, at = [], 0
        while at < len(word):
            fits = [n for n in range(len(word), at, -1) if ("##" if at else "") + word[at:n] in WORDS]
            if not fits:
                pieces = [("[UNK]", i, end)]
                break
            pieces.append((("##" if at else "") + word[at:fits[0]], i + at, i + fits[0]))
            at = fits[0]
        out += pieces
        i = end
    return out
