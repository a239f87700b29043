"""BERT (Devlin et al. 2019, post-LayerNorm) with exchangeable approximations. Parameters have Hugging Face's names."""

import math

import torch
from torch import nn

from approximations import Approximations, function


class LayerNorm(nn.Module):
    def __init__(self, owner, kind, block):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(owner.hidden))
        self.bias = nn.Parameter(torch.zeros(owner.hidden))
        self.kind, self.block, self.eps, self.owner = kind, block, owner.eps, [owner]

    def forward(self, x):
        normalise = function(self.kind, self.owner[0].approx.variant[self.kind, self.block])
        return normalise(x, self.eps) * self.weight + self.bias


class Residual(nn.Module):
    """LayerNorm(dense(x) + y)"""

    def __init__(self, owner, inputs, kind, block):
        super().__init__()
        self.dense = nn.Linear(inputs, owner.hidden)
        self.LayerNorm = LayerNorm(owner, kind, block)

    def forward(self, x, y, dropout):
        return self.LayerNorm(dropout(self.dense(x)) + y)


class SelfAttention(nn.Module):
    def __init__(self, owner):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(owner.hidden, owner.hidden) for _ in range(3))


class Attention(nn.Module):
    def __init__(self, owner, block):
        super().__init__()
        self.self = SelfAttention(owner)
        self.output = Residual(owner, owner.hidden, "layernorm1", block)


class Intermediate(nn.Module):
    def __init__(self, owner):
        super().__init__()
        self.dense = nn.Linear(owner.hidden, owner.intermediate)


class Block(nn.Module):
    def __init__(self, owner, block):
        super().__init__()
        self.attention = Attention(owner, block)
        self.intermediate = Intermediate(owner)
        self.output = Residual(owner, owner.intermediate, "layernorm2", block)
        self.owner, self.block = [owner], block

    def forward(self, x, mask, hidden):
        """x: texts x length x hidden; mask: texts x length. Appends the activations that L_bound looks at to `hidden`."""
        owner = self.owner[0]
        texts, length, width = x.shape
        part = self.attention.self

        def split(y):
            return y.view(texts, length, owner.heads, width // owner.heads).transpose(1, 2)

        scores = split(part.query(x)) @ split(part.key(x)).transpose(2, 3) / math.sqrt(width // owner.heads)
        softmax = function("softmax", owner.approx.variant["softmax", self.block])
        weights = owner.dropout(softmax(scores, mask[:, None, None, :]))
        context = (weights @ split(part.value(x))).transpose(1, 2).reshape(texts, length, width)
        x = self.attention.output(context, x, owner.dropout)
        hidden.append(x)
        gelu = function("gelu", owner.approx.variant["gelu", self.block])
        inner = gelu(self.intermediate.dense(x))
        x = self.output(inner, x, owner.dropout)
        hidden += [inner, x]
        return x


class Embeddings(nn.Module):
    def __init__(self, owner, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config["vocab_size"], owner.hidden, sparse=True)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], owner.hidden)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], owner.hidden)
        self.LayerNorm = LayerNorm(owner, "layernorm", -1)

    def forward(self, ids, types):
        positions = self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + positions + self.token_type_embeddings(types))


class Pooler(nn.Module):
    def __init__(self, owner):
        super().__init__()
        self.dense = nn.Linear(owner.hidden, owner.hidden)


class Encoder(nn.Module):
    def __init__(self, owner, layers):
        super().__init__()
        self.layer = nn.ModuleList(Block(owner, i) for i in range(layers))


class Bert(nn.Module):
    """A classifier: pooler and tanh over the first token, then a linear layer. .approx may be changed at any time."""

    def __init__(self, config, labels, approx="exact", dropout=0.1):
        super().__init__()
        self.hidden, self.intermediate = config["hidden_size"], config["intermediate_size"]
        self.heads, self.eps = config["num_attention_heads"], config.get("layer_norm_eps", 1e-12)
        self.layers = config["num_hidden_layers"]
        self.approx = Approximations(self.layers, approx)
        self.dropout = nn.Dropout(dropout)
        self.embeddings = Embeddings(self, config)
        self.encoder = Encoder(self, self.layers)
        self.pooler = Pooler(self)
        self.classifier = nn.Linear(self.hidden, labels)

    def forward(self, ids, types, mask):
        """All texts x length; mask 1 at tokens, 0 at padding. Returns the logits, texts x labels, and the hidden
        activations: per block, those after LayerNorm 1, after the activation function and after LayerNorm 2."""
        hidden = []
        x = self.dropout(self.embeddings(ids, types))
        for block in self.encoder.layer:
            x = block(x, mask, hidden)
        pooled = torch.tanh(self.pooler.dense(x[:, 0]))
        return self.classifier(self.dropout(pooled)), hidden

    def freeze_below(self, block, embeddings=False):
        """Blocks `block` and above train, and the head; for block -1 also the embeddings' LayerNorm, and with
        `embeddings` all of them."""
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        frozen = list(self.encoder.layer[: max(block, 0)])
        if not embeddings:
            frozen.append(self.embeddings)
        for part in frozen:
            for parameter in part.parameters():
                parameter.requires_grad_(False)
        if block < 0:
            for parameter in self.embeddings.LayerNorm.parameters():
                parameter.requires_grad_(True)
        for parameter in self.parameters():
            parameter.grad = None  # what was left of a frozen one would count for the gradient's norm
