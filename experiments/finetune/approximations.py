"""The approximations in floating point, and the text that names which of them a model uses.

The text is that of `trefoil --approx`: a preset or items KIND=VARIANT and KIND@BLOCK=VARIANT, later ones prevailing.
layernorm1 follows the attention, layernorm2 the feed-forward layer, block -1 is the embedding; layernorm means all.
"""

import math
from collections import Counter

import torch

EPS = 1e-3  # in the denominator of the ReLU-softmax

KINDS = ("gelu", "softmax", "layernorm1", "layernorm2")
PRESETS = {
    "exact": {"gelu": "exact", "softmax": "exact", "layernorm": "exact"},
    "paper": {"gelu": "relu", "softmax": "relu", "layernorm": "center"},
}


def gelu_exact(x):
    return torch.nn.functional.gelu(x)


def gelu_relu(x):
    return torch.relu(x)


def softmax_exact(scores, mask):
    return torch.softmax(scores.masked_fill(mask == 0, -math.inf), -1)


def softmax_relu(scores, mask):
    weights = torch.relu(scores) * mask
    return weights / (weights.sum(-1, keepdim=True) + EPS)


def layernorm_exact(x, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)


def layernorm_center(x, eps):
    return x - x.mean(-1, keepdim=True)


VARIANTS = {
    "gelu": {"exact": gelu_exact, "relu": gelu_relu},
    "softmax": {"exact": softmax_exact, "relu": softmax_relu},
    "layernorm": {"exact": layernorm_exact, "center": layernorm_center},
}


def family(kind):
    """layernorm1 and layernorm2 have the same variants."""
    return kind.rstrip("12")


def function(kind, variant):
    return VARIANTS[family(kind)][variant]


class Approximations:
    """Which variant each op of each block uses: .variant[kind, block]."""

    def __init__(self, layers, text="exact"):
        self.layers = layers
        self.variant = {(kind, block): "exact" for kind in KINDS for block in range(layers)}
        self.variant["layernorm1", -1] = "exact"  # the embedding's only LayerNorm
        for i, item in enumerate(text.split(",")):
            self._apply(item, first=i == 0)

    def _apply(self, item, first):
        if "=" not in item:
            if item not in PRESETS or not first:
                raise ValueError(f"approximations: unknown preset '{item}'; known are {', '.join(PRESETS)}, in front")
            for kind, variant in PRESETS[item].items():
                self._set(kind, None, variant)
            return
        left, variant = item.split("=", 1)
        kind, _, block = left.partition("@")
        if kind != "layernorm" and kind not in KINDS:
            raise ValueError(f"approximations: unknown kind '{kind}'; known are layernorm, {', '.join(KINDS)}")
        if variant not in VARIANTS[family(kind)]:
            known = ", ".join(VARIANTS[family(kind)])
            raise ValueError(f"approximations: unknown variant '{variant}' of {kind}; known are {known}")
        self._set(kind, int(block) if block else None, variant)

    def _set(self, kind, block, variant):
        for known, at in self.variant:
            if known in (kind, f"{kind}1", f"{kind}2") and block in (None, at):
                self.variant[known, at] = variant

    def copy(self):
        other = Approximations(self.layers)
        other.variant = dict(self.variant)
        return other

    def text(self):
        """The shortest list that _apply reads back as this: what most blocks do, then the exceptions."""
        items = []
        rest = Approximations(self.layers)
        for kind in ("gelu", "softmax", "layernorm"):
            count = Counter(v for (k, _), v in self.variant.items() if family(k) == kind)
            rest._set(kind, None, count.most_common(1)[0][0])
            items.append(f"{kind}={count.most_common(1)[0][0]}")
        for (kind, block), variant in self.variant.items():
            if rest.variant[kind, block] != variant:
                name = "layernorm" if block < 0 else kind
                items.append(f"{name}@{block}={variant}")
        for name, preset in PRESETS.items():
            if items[:3] == [f"{kind}={variant}" for kind, variant in preset.items()]:
                items[:3] = [name]
        return ",".join(items)
