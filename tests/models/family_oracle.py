"""Writes tiny random models in Hugging Face's layout, with what float64 makes of them: family_oracle.py DIRECTORY FAMILY.

An implementation of each family's published definition with numpy alone, which shares nothing with the project's own.
Each case is a directory with config.json, model.safetensors and case.json: ids, types, lengths, values (by text, without
padding), and the shape of a value.
"""
import json
import math
import os
import struct
import sys

import numpy as np

LENGTHS = [6, 3, 5]  # of a case's texts, unless it has its own
HIDDEN, HEADS, LAYERS, INNER, VOCABULARY, LABELS = 16, 2, 3, 24, 40, 3


class Model:
    """Random weights under the names of the files, made when they are first asked for."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.tensors = {}

    def get(self, name, *shape, low=-1.0, high=1.0):
        if name not in self.tensors:
            scale = 1 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.5
            values = self.random.uniform(low, high, shape) * (scale if low < 0 else 1)
            self.tensors[name] = values.astype(np.float32)
        return self.tensors[name].astype(np.float64)

    def dense(self, name, x, out, bias=True):
        y = x @ self.get(name + ".weight", out, x.shape[-1]).T
        return y + self.get(name + ".bias", out) if bias else y

    def norm(self, name, x, eps, bias=True):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        y = (x - mean) / np.sqrt(variance + eps) * self.get(name + ".weight", x.shape[-1], low=0.6, high=1.4)
        return y + self.get(name + ".bias", x.shape[-1]) if bias else y


def erf(x):
    return np.vectorize(math.erf)(x)


ACT = {
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu_new": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
}
ACT["gelu_pytorch_tanh"] = ACT["gelu_new"]


def attend(q, k, v, heads, bias=None, allowed=None):
    """One text: q, k, v are tokens x width."""
    length, width = q.shape
    depth = width // heads
    out = np.zeros_like(q)
    for h in range(heads):
        at = slice(h * depth, (h + 1) * depth)
        score = q[:, at] @ k[:, at].T / math.sqrt(depth)
        if bias is not None:
            score = score + bias[h]
        if allowed is not None:
            score = np.where(allowed, score, -np.inf)
        p = np.exp(score - score.max(-1, keepdims=True))
        out[:, at] = (p / p.sum(-1, keepdims=True)) @ v[:, at]
    return out


def post_norm(m, x, n, act, eps, bias=None):
    """A layer of Devlin et al.; n has the names."""
    hidden = x.shape[-1]
    q, k, v = (m.dense(n[part], x, hidden) for part in ("q", "k", "v"))
    x = m.norm(n["norm1"], x + m.dense(n["o"], attend(q, k, v, HEADS, bias), hidden), eps)
    inner = ACT[act](m.dense(n["up"], x, INNER))
    return m.norm(n["norm2"], x + m.dense(n["down"], inner, hidden), eps)


def bert_names(prefix, layer):
    at = f"{prefix}encoder.layer.{layer}."
    return dict(q=at + "attention.self.query", k=at + "attention.self.key", v=at + "attention.self.value",
                o=at + "attention.output.dense", norm1=at + "attention.output.LayerNorm",
                up=at + "intermediate.dense", down=at + "output.dense", norm2=at + "output.LayerNorm")


def embed(m, p, ids, types, width, positions, type_count, first, eps):
    words = m.get(p + "embeddings.word_embeddings.weight", VOCABULARY, width)
    places = m.get(p + "embeddings.position_embeddings.weight", positions, width)
    x = words[ids] + places[np.arange(len(ids)) + first]
    if type_count:
        x = x + m.get(p + "embeddings.token_type_embeddings.weight", type_count, width)[types]
    return m.norm(p + "embeddings.LayerNorm", x, eps), words


def pooled(x, mode):
    n = len(x)
    weights = np.arange(1, n + 1)
    return {"cls": lambda: x[0], "mean": lambda: x.mean(0), "max": lambda: x.max(0), "lasttoken": lambda: x[-1],
            "mean_sqrt_len": lambda: x.sum(0) / math.sqrt(n),
            "weightedmean": lambda: (x * weights[:, None]).sum(0) / weights.sum()}[mode]()


def unit(x):
    return x / max(np.linalg.norm(x), 1e-12)


def head_of(m, x, words, h, act, eps):
    """h: names and activations of a family's heads."""
    kind = h["head"]
    if kind == "embedding":
        y = pooled(x, h.get("pooling", "mean"))
        if "dense" in h:
            y = h["dense"](m.dense("2_Dense.linear", y, 10))
        return unit(y) if h.get("normalise", True) else y
    if kind == "tokens":
        return m.dense("classifier", x, LABELS)
    if kind == "span":
        return m.dense("qa_outputs", x, 2)
    if kind == "masked":
        y = ACT[h.get("masked_act", act)](m.dense(h["masked"][0], x, words.shape[1]))
        y = m.norm(h["masked"][1], y, eps)
        return y @ words.T + m.get(h["masked"][2], VOCABULARY)
    y = m.dense(h["pool"], x[0], x.shape[-1])
    y = np.tanh(y) if h["pool_act"] == "tanh" else ACT[h["pool_act"]](y)
    return m.dense(h["out"], y, h.get("labels", LABELS))


def run_bert(m, c, h, ids, types):
    p = "bert."
    x, words = embed(m, p, ids, types, HIDDEN, 9, 2, 0, c["layer_norm_eps"])
    for i in range(LAYERS):
        x = post_norm(m, x, bert_names(p, i), c["hidden_act"], c["layer_norm_eps"])
    return head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def run_roberta(m, c, h, ids, types):
    p, pad = "roberta.", c["pad_token_id"]
    x, words = embed(m, p, ids, types * 0, HIDDEN, 9 + pad + 1, 1, pad + 1, c["layer_norm_eps"])
    for i in range(LAYERS):
        x = post_norm(m, x, bert_names(p, i), c["hidden_act"], c["layer_norm_eps"])
    return head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def run_distilbert(m, c, h, ids, types):
    p = "distilbert."
    x, words = embed(m, p, ids, types, HIDDEN, 9, 0, 0, 1e-12)
    for i in range(LAYERS):
        at = f"{p}transformer.layer.{i}."
        n = dict(q=at + "attention.q_lin", k=at + "attention.k_lin", v=at + "attention.v_lin",
                 o=at + "attention.out_lin", norm1=at + "sa_layer_norm", up=at + "ffn.lin1", down=at + "ffn.lin2",
                 norm2=at + "output_layer_norm")
        x = post_norm(m, x, n, c["activation"], 1e-12)
    return head_of(m, x, words, h, c["activation"], 1e-12)


def run_electra(m, c, h, ids, types):
    p, width = "electra.", c["embedding_size"]
    x, words = embed(m, p, ids, types, width, 9, 2, 0, c["layer_norm_eps"])
    if width != HIDDEN:
        x = m.dense(p + "embeddings_project", x, HIDDEN)
    for i in range(LAYERS):
        x = post_norm(m, x, bert_names(p, i), c["hidden_act"], c["layer_norm_eps"])
    return head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def run_albert(m, c, h, ids, types):
    p, width, groups = "albert.", c["embedding_size"], c["num_hidden_groups"]
    x, words = embed(m, p, ids, types, width, 9, 2, 0, c["layer_norm_eps"])
    x = m.dense(p + "encoder.embedding_hidden_mapping_in", x, HIDDEN)
    for i in range(c["num_hidden_layers"]):
        group = int(i / (c["num_hidden_layers"] / groups))
        at = f"{p}encoder.albert_layer_groups.{group}.albert_layers.0."
        n = dict(q=at + "attention.query", k=at + "attention.key", v=at + "attention.value", o=at + "attention.dense",
                 norm1=at + "attention.LayerNorm", up=at + "ffn", down=at + "ffn_output",
                 norm2=at + "full_layer_layer_norm")
        x = post_norm(m, x, n, c["hidden_act"], c["layer_norm_eps"])
    return head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def bucket(after):
    """Hugging Face's relative_position_bucket for 32 buckets and a distance of 128."""
    n = abs(after)
    row = n if n < 8 else min(8 + int(math.log(n / 8) / math.log(128 / 8) * 8), 15)
    return row + (16 if after > 0 else 0)


def run_mpnet(m, c, h, ids, types):
    p, pad, n = "mpnet.", c["pad_token_id"], len(ids)
    eps = c["layer_norm_eps"]
    x, words = embed(m, p, ids, types, HIDDEN, c["max_position_embeddings"], 0, pad + 1, eps)
    table = m.get(p + "encoder.relative_attention_bias.weight", 32, HEADS, low=-4, high=4)
    bias = np.array([[table[bucket(j - i)] for j in range(n)] for i in range(n)]).transpose(2, 0, 1)
    for i in range(LAYERS):
        at = f"{p}encoder.layer.{i}."
        names = dict(q=at + "attention.attn.q", k=at + "attention.attn.k", v=at + "attention.attn.v",
                     o=at + "attention.attn.o", norm1=at + "attention.LayerNorm", up=at + "intermediate.dense",
                     down=at + "output.dense", norm2=at + "output.LayerNorm")
        x = post_norm(m, x, names, c["hidden_act"], eps, bias)
    return head_of(m, x, words, h, c["hidden_act"], eps)


def rotate(x, theta, heads):
    """Rotary positions, in halves of each head."""
    length, width = x.shape
    depth = width // heads
    angle = np.arange(length)[:, None] * theta ** (-2 * np.arange(depth // 2) / depth)
    y = x.reshape(length, heads, 2, depth // 2)
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([y[:, :, 0] * cosine - y[:, :, 1] * sine, y[:, :, 1] * cosine + y[:, :, 0] * sine],
                    axis=2).reshape(length, width)


def run_modernbert(m, c, h, ids, types):
    p, eps = "model.", c["norm_eps"]
    words = m.get(p + "embeddings.tok_embeddings.weight", VOCABULARY, HIDDEN)
    x = m.norm(p + "embeddings.norm", words[ids], eps, bias=False)
    place = np.arange(len(ids))
    near = np.abs(place[:, None] - place) <= c["local_attention"] // 2
    for i in range(LAYERS):
        at = f"{p}layers.{i}."
        n = m.norm(at + "attn_norm", x, eps, bias=False) if i else x
        q, k, v = np.split(m.dense(at + "attn.Wqkv", n, 3 * HIDDEN, bias=c["attention_bias"]), 3, axis=-1)
        everywhere = i % c["global_attn_every_n_layers"] == 0
        theta = c["global_rope_theta"] if everywhere else c["local_rope_theta"]
        y = attend(rotate(q, theta, HEADS), rotate(k, theta, HEADS), v, HEADS, allowed=None if everywhere else near)
        x = x + m.dense(at + "attn.Wo", y, HIDDEN, bias=c["attention_bias"])
        n = m.norm(at + "mlp_norm", x, eps, bias=False)
        up, gate = np.split(m.dense(at + "mlp.Wi", n, 2 * INNER, bias=False), 2, axis=-1)
        x = x + m.dense(at + "mlp.Wo", ACT[c["hidden_activation"]](up) * gate, HIDDEN, bias=False)
    x = m.norm(p + "final_norm", x, eps, bias=False)
    if h["head"] == "embedding":
        return head_of(m, x, words, h, "gelu", eps)
    if h["head"] == "classifier":
        x = x.mean(0) if c["classifier_pooling"] == "mean" else x[0]
    y = m.norm("head.norm", ACT["gelu"](m.dense("head.dense", x, HIDDEN, bias=False)), eps, bias=False)
    return y @ words.T + m.get("decoder.bias", VOCABULARY) if h["head"] == "masked" else m.dense("classifier", y, LABELS)


COMMON = dict(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=INNER,
              vocab_size=VOCABULARY, max_position_embeddings=9, type_vocab_size=2, layer_norm_eps=1e-5,
              hidden_act="gelu", pad_token_id=0)
ROBERTA = dict(COMMON, model_type="roberta", type_vocab_size=1, pad_token_id=1, max_position_embeddings=11)
DISTILBERT = dict(model_type="distilbert", dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS, hidden_dim=INNER,
                  vocab_size=VOCABULARY, max_position_embeddings=9, activation="gelu", pad_token_id=0)
ELECTRA = dict(COMMON, model_type="electra", embedding_size=12)
ALBERT = dict(COMMON, model_type="albert", embedding_size=12, num_hidden_groups=1, inner_group_num=1)

MPNET = dict(COMMON, model_type="mpnet", pad_token_id=1, max_position_embeddings=11, relative_attention_num_buckets=32)
del MPNET["type_vocab_size"]
MODERNBERT = dict(COMMON, model_type="modernbert", hidden_activation="gelu", norm_eps=1e-5, norm_bias=False,
                  global_rope_theta=160000.0, local_rope_theta=10000.0, global_attn_every_n_layers=3,
                  local_attention=4, attention_bias=False, mlp_bias=False, classifier_pooling="cls")

# What a classifier's first layer and its output are called, and the head of masked language modelling.
BERT_HEADS = dict(pool="bert.pooler.dense", pool_act="tanh", out="classifier",
                  masked=("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                          "cls.predictions.bias"))
ROBERTA_HEADS = dict(pool="classifier.dense", pool_act="tanh", out="classifier.out_proj",
                     masked=("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"), masked_act="gelu")
DISTILBERT_HEADS = dict(pool="pre_classifier", pool_act="relu", out="classifier",
                        masked=("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"))
ELECTRA_HEADS = dict(pool="classifier.dense", pool_act="gelu", out="classifier.out_proj",
                     masked=("generator_predictions.dense", "generator_predictions.LayerNorm",
                             "generator_lm_head.bias"), masked_act="gelu")
ALBERT_HEADS = dict(pool="albert.pooler", pool_act="tanh", out="classifier",
                    masked=("predictions.dense", "predictions.LayerNorm", "predictions.bias"))

ENDS = {"classifier": "ForSequenceClassification", "tokens": "ForTokenClassification", "span": "ForQuestionAnswering",
        "masked": "ForMaskedLM", "embedding": "Model"}


def cases():
    """Name, architecture's first part, config, forward pass, heads' names, head, other keys."""
    families = [("bert", "Bert", dict(COMMON, model_type="bert"), run_bert, BERT_HEADS),
                ("roberta", "Roberta", ROBERTA, run_roberta, ROBERTA_HEADS),
                ("distilbert", "DistilBert", DISTILBERT, run_distilbert, DISTILBERT_HEADS),
                ("electra", "Electra", ELECTRA, run_electra, ELECTRA_HEADS),
                ("albert", "Albert", ALBERT, run_albert, ALBERT_HEADS),
                ("mpnet", "MPNet", MPNET, run_mpnet, ROBERTA_HEADS)]
    for name, first, config, run, heads in families:
        for head in ENDS:
            yield f"{name}-{head}", first + ENDS[head], config, run, dict(heads, head=head)
    for head in ("classifier", "tokens", "masked", "embedding"):
        yield f"modernbert-{head}", "ModernBert" + ENDS[head], MODERNBERT, run_modernbert, dict(head=head)
    yield "modernbert-mean", "ModernBertForSequenceClassification", \
        dict(MODERNBERT, classifier_pooling="mean", attention_bias=True, global_attn_every_n_layers=2), \
        run_modernbert, dict(head="classifier")
    yield "mpnet-far", "MPNetModel", dict(MPNET, max_position_embeddings=150), run_mpnet, \
        dict(ROBERTA_HEADS, head="embedding", lengths=[140, 20])
    one = dict(id2label={"0": "score"}, label2id={"score": 0})
    yield "bert-regression", "BertForSequenceClassification", dict(COMMON, model_type="bert", **one), run_bert, \
        dict(BERT_HEADS, head="classifier", labels=1)
    yield "xlm-roberta", "XLMRobertaForSequenceClassification", dict(ROBERTA, model_type="xlm-roberta"), run_roberta, \
        dict(ROBERTA_HEADS, head="classifier")
    yield "albert-groups", "AlbertModel", dict(ALBERT, num_hidden_groups=3), run_albert, \
        dict(ALBERT_HEADS, head="embedding")
    yield "albert-layers-of-groups", "AlbertModel", dict(ALBERT, num_hidden_groups=2, num_hidden_layers=6), run_albert, \
        dict(ALBERT_HEADS, head="embedding")
    yield "electra-base", "ElectraModel", dict(ELECTRA, embedding_size=HIDDEN), run_electra, \
        dict(ELECTRA_HEADS, head="embedding")
    for mode in ("cls", "mean", "max", "mean_sqrt_len", "weightedmean", "lasttoken"):
        normalise = mode in ("cls", "max")
        yield f"bert-pool-{mode}", "BertModel", dict(COMMON, model_type="bert"), run_bert, \
            dict(BERT_HEADS, head="embedding", pooling=mode, normalise=normalise,
                 files=sentence_transformer(mode, normalise))
    for name, activation, dense in (("identity", "torch.nn.modules.linear.Identity", lambda x: x),
                                    ("tanh", "torch.nn.modules.activation.Tanh", np.tanh)):
        yield f"bert-dense-{name}", "BertModel", dict(COMMON, model_type="bert"), run_bert, \
            dict(BERT_HEADS, head="embedding", dense=dense, normalise=False,
                 files=sentence_transformer("mean", False, activation))
    for act in ("gelu", "relu", "silu", "gelu_new", "gelu_pytorch_tanh"):
        yield f"bert-{act}", "BertModel", dict(COMMON, model_type="bert", hidden_act=act), run_bert, \
            dict(BERT_HEADS, head="embedding")


def sentence_transformer(mode, normalise, dense=None):
    """The files beside config.json."""
    key = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "mean_sqrt_len": "mean_sqrt_len_tokens",
           "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken"}
    names = ["Transformer", "Pooling"] + ["Dense"] * bool(dense) + ["Normalize"] * normalise
    modules = [dict(idx=i, name=str(i), path=f"{i}_{n}" if i else "", type="sentence_transformers.models." + n)
               for i, n in enumerate(names)]
    pooling = {"pooling_mode_" + key[k]: k == mode for k in key}
    files = {"modules.json": modules, "1_Pooling/config.json": dict(pooling, word_embedding_dimension=HIDDEN),
             "sentence_bert_config.json": {"max_seq_length": 7, "do_lower_case": False},
             "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None}}
    if dense:
        files["2_Dense/config.json"] = dict(in_features=HIDDEN, out_features=10, bias=True, activation_function=dense)
    return files


def write_tensors(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        raw = value.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_case(directory, seed, name, architecture, config, run, heads, **case):
    folder = os.path.join(directory, name)
    os.makedirs(folder)
    random = np.random.default_rng(1000 + seed)
    lengths = heads.get("lengths", LENGTHS)
    m, longest = Model(seed), max(lengths)
    config = dict(config, architectures=[architecture], transformers_version="4.40.0", torch_dtype="float32")
    if heads["head"] in ("classifier", "tokens") and "id2label" not in config:
        config["id2label"] = {str(i): f"label {i}" for i in range(LABELS)}
    ids = np.full((len(lengths), longest), config.get("pad_token_id", 0))
    types = np.zeros_like(ids)
    values = []
    for text, length in enumerate(lengths):
        ids[text, :length] = random.integers(2, VOCABULARY, length)
        types[text, length // 2:length] = 1
        values.append(np.atleast_1d(run(m, config, heads, ids[text, :length], types[text, :length])).tolist())
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    for path, content in heads.get("files", {}).items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), "w") as file:
            json.dump(content, file)
    dense = {name[8:]: value for name, value in m.tensors.items() if name.startswith("2_Dense.")}
    write_tensors(os.path.join(folder, "model.safetensors"),
                  {name: value for name, value in m.tensors.items() if not name.startswith("2_Dense.")})
    if dense:
        write_tensors(os.path.join(folder, "2_Dense", "model.safetensors"), dense)
    with open(os.path.join(folder, "case.json"), "w") as file:
        json.dump(dict(case, ids=ids.ravel().tolist(), types=types.ravel().tolist(), lengths=lengths, length=longest,
                       values=values), file)


def main():
    for seed, case in enumerate(cases()):
        if case[3] is globals()["run_" + sys.argv[2]]:
            write_case(sys.argv[1], seed, *case)


if __name__ == "__main__":
    main()
