"""Writes tiny random decoders in Hugging Face's layout, with what float64 makes of them: decoder_oracle.py DIRECTORY.

As family_oracle.py, of which it takes the random weights: the published definitions with numpy alone. Each case is a
directory with config.json, model.safetensors and case.json: ids of a text, and the logits after each of them.
"""
import json
import math
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from family_oracle import ACT, Model, write_tensors  # noqa: E402

TOKENS, VOCABULARY, HIDDEN, HEADS, KV_HEADS, LAYERS, INNER = 14, 40, 16, 4, 2, 2, 24


def rms(m, name, x, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * m.get(name + ".weight", x.shape[-1], low=0.6, high=1.4)


def frequencies(c, depth):
    """Radians a token, and the factor of cosines and sines."""
    base, scaling = c["rope_theta"], c.get("rope_scaling") or {}
    plain = base ** (-np.arange(0, depth, 2) / depth)
    kind, factor = scaling.get("rope_type", scaling.get("type")), scaling.get("factor")
    if kind is None:
        return plain, 1.0
    if kind == "linear":
        return plain / factor, 1.0
    original = scaling.get("original_max_position_embeddings", c["max_position_embeddings"])
    if kind == "llama3":                                                       # Grattafiori et al. 2024
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        wavelength = 2 * math.pi / plain
        smooth = (original / wavelength - low) / (high - low)
        between = (1 - smooth) * plain / factor + smooth * plain
        return np.where(wavelength > original / low, plain / factor,
                        np.where(wavelength < original / high, plain, between)), 1.0
    assert kind == "yarn"                                                      # Peng et al. 2023
    edge = lambda turns: depth * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
    low = max(math.floor(edge(scaling.get("beta_fast", 32))), 0)
    high = min(math.ceil(edge(scaling.get("beta_slow", 1))), depth - 1)
    ramp = np.clip((np.arange(depth // 2) - low) / (max(high - low, 0.001)), 0, 1)
    return plain / factor * ramp + plain * (1 - ramp), scaling.get("attention_factor", 0.1 * math.log(factor) + 1)


def turned(c, x):
    """x: tokens x heads x depth."""
    depth = x.shape[-1]
    speed, factor = frequencies(c, depth)
    angle = np.arange(len(x))[:, None] * speed
    cosine, sine = factor * np.cos(angle)[:, None], factor * np.sin(angle)[:, None]
    first, second = x[..., : depth // 2], x[..., depth // 2:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def attention(m, c, at, n):
    depth, eps = c.get("head_dim", HIDDEN // HEADS), c["rms_norm_eps"]
    biased = c["model_type"] == "qwen2" or c.get("attention_bias", False)
    part = lambda name, heads: m.dense(at + name, n, heads * depth, bias=biased).reshape(len(n), heads, depth)
    q, k, v = part("q_proj", HEADS), part("k_proj", KV_HEADS), part("v_proj", KV_HEADS)
    if c["model_type"] == "qwen3":
        q, k = rms(m, at + "q_norm", q, eps), rms(m, at + "k_norm", k, eps)
    q, k = turned(c, q), turned(c, k)
    back = np.arange(len(n))[:, None] - np.arange(len(n))
    allowed = (back >= 0) & (back < (c.get("sliding_window") or len(n)))
    out = np.zeros((len(n), HEADS, depth))
    for head in range(HEADS):
        group = head // (HEADS // KV_HEADS)
        score = np.where(allowed, q[:, head] @ k[:, group].T / math.sqrt(depth), -np.inf)
        p = np.exp(score - score.max(-1, keepdims=True))
        out[:, head] = p / p.sum(-1, keepdims=True) @ v[:, group]
    return m.dense(at + "o_proj", out.reshape(len(n), HEADS * depth), HIDDEN,
                   bias=biased and c["model_type"] != "qwen2")


def run_llama(m, c, ids):
    words = m.get("model.embed_tokens.weight", VOCABULARY, HIDDEN)
    x = words[ids]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        x = x + attention(m, c, at + "self_attn.", rms(m, at + "input_layernorm", x, c["rms_norm_eps"]))
        n = rms(m, at + "post_attention_layernorm", x, c["rms_norm_eps"])
        bias = c.get("mlp_bias", False)
        up, gate = m.dense(at + "mlp.up_proj", n, INNER, bias), m.dense(at + "mlp.gate_proj", n, INNER, bias)
        x = x + m.dense(at + "mlp.down_proj", ACT["silu"](gate) * up, HIDDEN, bias)
    x = rms(m, "model.norm", x, c["rms_norm_eps"])
    return x @ (words if c.get("tie_word_embeddings") else m.get("lm_head.weight", VOCABULARY, HIDDEN)).T


def run_gpt2(m, c, ids):
    words = m.get("transformer.wte.weight", VOCABULARY, HIDDEN)
    x = words[ids] + m.get("transformer.wpe.weight", c["n_positions"], HIDDEN)[: len(ids)]
    eps = c["layer_norm_epsilon"]
    conv = lambda name, x, out: x @ m.get(name + ".weight", x.shape[-1], out) + m.get(name + ".bias", out)
    allowed = np.tril(np.ones((len(ids), len(ids)), bool))
    for layer in range(LAYERS):
        at = f"transformer.h.{layer}."
        q, k, v = np.split(conv(at + "attn.c_attn", m.norm(at + "ln_1", x, eps), 3 * HIDDEN), 3, axis=-1)
        out, depth = np.zeros_like(q), HIDDEN // HEADS
        for head in range(HEADS):
            s = slice(head * depth, (head + 1) * depth)
            score = np.where(allowed, q[:, s] @ k[:, s].T / math.sqrt(depth), -np.inf)
            p = np.exp(score - score.max(-1, keepdims=True))
            out[:, s] = p / p.sum(-1, keepdims=True) @ v[:, s]
        x = x + conv(at + "attn.c_proj", out, HIDDEN)
        inner = ACT["gelu_new"](conv(at + "mlp.c_fc", m.norm(at + "ln_2", x, eps), 4 * HIDDEN))
        x = x + conv(at + "mlp.c_proj", inner, HIDDEN)
    return m.norm("transformer.ln_f", x, eps) @ words.T


LLAMA = dict(model_type="llama", hidden_act="silu", hidden_size=HIDDEN, intermediate_size=INNER, vocab_size=VOCABULARY,
             num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, rms_norm_eps=1e-5,
             max_position_embeddings=64, rope_theta=10000.0, tie_word_embeddings=False)
GPT2 = dict(model_type="gpt2", activation_function="gelu_new", n_embd=HIDDEN, n_head=HEADS, n_layer=LAYERS,
            n_positions=32, vocab_size=VOCABULARY, layer_norm_epsilon=1e-5)


def scaled(**scaling):
    return dict(LLAMA, rope_scaling=scaling)


CASES = {
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "llama": ("LlamaForCausalLM", LLAMA),
    "llama-tied": ("LlamaForCausalLM", dict(LLAMA, tie_word_embeddings=True)),
    "llama-biased": ("LlamaForCausalLM", dict(LLAMA, attention_bias=True, mlp_bias=True)),
    "llama-linear": ("LlamaForCausalLM", scaled(type="linear", factor=3.0)),
    "llama-3": ("LlamaForCausalLM", scaled(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                          original_max_position_embeddings=12)),
    "llama-yarn": ("LlamaForCausalLM", scaled(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                                             beta_fast=2.0, beta_slow=0.5)),
    "mistral-window": ("MistralForCausalLM", dict(LLAMA, model_type="mistral", sliding_window=5)),
    "mistral-none": ("MistralForCausalLM", dict(LLAMA, model_type="mistral", sliding_window=None)),
    "qwen2": ("Qwen2ForCausalLM", dict(LLAMA, model_type="qwen2", use_sliding_window=False, rope_theta=1e6)),
    "qwen3": ("Qwen3ForCausalLM", dict(LLAMA, model_type="qwen3", head_dim=8, attention_bias=False,
                                      use_sliding_window=False, rope_theta=1e6)),
}


def main():
    for seed, (name, (architecture, config)) in enumerate(CASES.items()):
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder)
        m = Model(500 + seed)
        ids = np.random.default_rng(900 + seed).integers(0, VOCABULARY, TOKENS)
        logits = (run_gpt2 if name == "gpt2" else run_llama)(m, config, ids)
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(dict(config, architectures=[architecture]), file)
        write_tensors(os.path.join(folder, "model.safetensors"), m.tensors)
        with open(os.path.join(folder, "case.json"), "w") as file:
            json.dump({"ids": ids.tolist(), "logits": logits.tolist()}, file)


if __name__ == "__main__":
    main()
