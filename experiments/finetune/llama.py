"""LLaMA (Touvron et al. 2023) with exchangeable approximations. Parameters have Hugging Face's names below `model.`"""

import os

import torch
from torch import nn

import checkpoint
import safetensors
from approximations import Approximations, softmax_exact, softmax_relu, softmax_relu_n

FILES = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")
ACTIVATIONS = {"exact": torch.nn.functional.silu, "relu": torch.relu}
SOFTMAXES = {"exact": softmax_exact, "relu": softmax_relu, "relu_n": softmax_relu_n}


class Norm(nn.Module):
    """Root mean square normalisation; `center` does not divide."""

    def __init__(self, owner, kind, block):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(owner.hidden))
        self.kind, self.block, self.owner = kind, block, [owner]

    def inverse(self, x):
        return torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.owner[0].eps)

    def forward(self, x):
        exact = self.owner[0].approx.variant[self.kind, self.block] == "exact"
        return (x * self.inverse(x) if exact else x) * self.weight


def turned(x, cos, sin):
    """Rotary positions; x: texts x heads x length x depth, halves of the depth make the pairs."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Attention(nn.Module):
    def __init__(self, owner):
        super().__init__()
        width = owner.hidden
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))


class Mlp(nn.Module):
    def __init__(self, owner):
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(owner.hidden, owner.intermediate, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(owner.intermediate, owner.hidden, bias=False)


class Block(nn.Module):
    def __init__(self, owner, block):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(owner, "layernorm1", block), Attention(owner)
        self.post_attention_layernorm, self.mlp = Norm(owner, "layernorm2", block), Mlp(owner)
        self.owner, self.block = [owner], block

    def attend(self, x, mask, angles, past):
        """`past`: keys and values of the tokens before, which these join; or None."""
        owner, part = self.owner[0], self.self_attn
        texts, length, width = x.shape

        def split(y):
            return y.view(texts, length, owner.heads, width // owner.heads).transpose(1, 2)

        q, k, v = turned(split(part.q_proj(x)), *angles), turned(split(part.k_proj(x)), *angles), split(part.v_proj(x))
        if past is not None:
            if past:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            past[:] = k, v
        scores = q @ k.transpose(2, 3) / (width // owner.heads) ** 0.5
        weights = SOFTMAXES[owner.approx.variant["softmax", self.block]](scores, mask)
        return part.o_proj((weights @ v).transpose(1, 2).reshape(texts, length, width))

    def forward(self, x, mask, angles, hidden, past=None):
        x = x + self.attend(self.input_layernorm(x), mask, angles, past)
        hidden.append(x)
        y = self.post_attention_layernorm(x)
        inner = ACTIVATIONS[self.owner[0].approx.variant["gelu", self.block]](self.mlp.gate_proj(y))
        x = x + self.mlp.down_proj(inner * self.mlp.up_proj(y))
        hidden.append(x)
        return x


class Llama(nn.Module):
    """Gives the logits after each token. The embeddings are the LM head too. .approx may be changed at any time."""

    def __init__(self, config, approx="exact"):
        super().__init__()
        self.hidden, self.intermediate = config["hidden_size"], config["intermediate_size"]
        self.heads, self.eps = config["num_attention_heads"], config["rms_norm_eps"]
        self.layers, self.positions = config["num_hidden_layers"], config["max_position_embeddings"]
        self.begin, self.theta = config["bos_token_id"], config.get("rope_theta", 10000.0)
        self.approx = Approximations(self.layers, approx)
        self.embed_tokens = nn.Embedding(config["vocab_size"], self.hidden)
        self.blocks = nn.ModuleList(Block(self, i) for i in range(self.layers))
        self.norm = Norm(self, "layernorm", -1)

    def angles(self, first, length):
        depth = self.hidden // self.heads
        speed = self.theta ** (-torch.arange(0, depth, 2) / depth)
        angle = torch.arange(first, first + length)[:, None] * speed
        return angle.cos(), angle.sin()

    def forward(self, ids, past=None):
        """ids: texts x length, of which none is padding. Returns the logits, texts x length x vocabulary, and the hidden
        activations: per block those after attention and after the feed-forward layer. `past`: a list for each block, in
        which keys and values gather."""
        before = past[0][0].shape[2] if past and past[0] else 0
        length, hidden, x = ids.shape[1], [], self.embed_tokens(ids)
        mask = torch.ones(length, before + length).tril(before)
        angles = self.angles(before, length)
        for block in self.blocks:
            x = block(x, mask, angles, hidden, past[block.block] if past else None)
        return self.norm(x) @ self.embed_tokens.weight.T, hidden

    def freeze_below(self, block, embeddings=False):
        """Blocks `block` and above train, and the last norm; with `embeddings` those as well."""
        for parameter in self.parameters():
            parameter.requires_grad_(True)
            parameter.grad = None  # what was left of a frozen one would count for the gradient's norm
        self.embed_tokens.weight.requires_grad_(embeddings)
        for part in self.blocks[: max(block, 0)]:
            part.requires_grad_(False)

    @torch.no_grad()
    def write(self, texts, length, generator):
        """Texts of so many tokens, the first of which begins a text; drawn from the model's own distribution."""
        past = [[] for _ in self.blocks]
        ids = torch.full((texts, 1), self.begin)
        while ids.shape[1] < length:
            logits = self(ids[:, -1:], past)[0][:, -1]
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1, generator=generator)], 1)
        return ids


def load(directory):
    """The model of a directory, and its config."""
    config = checkpoint.read_json(os.path.join(directory, "config.json"))
    if config.get("model_type") != "llama" or not config.get("tie_word_embeddings"):
        raise ValueError(f"{directory}: not a LLaMA whose embeddings are its LM head")
    if config.get("num_key_value_heads", config["num_attention_heads"]) != config["num_attention_heads"]:
        raise ValueError(f"{directory}: \"num_key_value_heads\": grouped queries are not trained here")
    model = Llama(config, config.get("trefoil_approx") or "exact")
    tensors = safetensors.read(os.path.join(directory, "model.safetensors"))
    names = {inside(name): torch.from_numpy(tensor) for name, tensor in tensors.items()}
    model.load_state_dict({name: names[name] for name in model.state_dict()})
    return model, config


def texts_of(directory, rows):
    """The texts of rows of ids, each up to the next text's beginning, by the SentencePiece-like tokenizer.json."""
    vocabulary = checkpoint.read_json(os.path.join(directory, "tokenizer.json"))["model"]["vocab"]
    token = {number: piece for piece, number in vocabulary.items()}
    ends = {number for number, piece in token.items() if piece in ("<s>", "</s>")}
    texts = []
    for row in rows:
        data = b""
        for number in row[1:]:
            if number in ends:
                break
            piece = token[number]
            byte = len(piece) == 6 and piece.startswith("<0x")
            data += bytes([int(piece[3:5], 16)]) if byte else piece.replace("\u2581", " ").encode()
        texts.append(data.decode("utf-8", "ignore").strip())
    return texts


def inside(name):
    return name.removeprefix("model.").replace("layers.", "blocks.", 1)


def save(directory, model, config, source):
    """Writes a model directory; the tokenizer's files are copied from the directory `source`."""
    tensors = {f"model.{name.replace('blocks.', 'layers.', 1)}": tensor.detach().numpy()
               for name, tensor in model.state_dict().items()}
    checkpoint.save_directory(directory, tensors, config, model.approx, source, FILES)
