"""The approximations in floating point, and the text that names which of them a model uses.

The text is that of `trefoil --approx`: a preset, KIND=VARIANT for all blocks, KIND@BLOCK=VARIANT for one. Those with a
block prevail over those without, later ones over earlier ones. layernorm1 follows the attention, layernorm2 the
feed-forward layer; layernorm means both and the embedding's, which is block -1.
"""

import math
from collections import Counter

import torch

EPS = 1e-3  # in the denominator of the ReLU-softmax

KINDS = ("gelu", "softmax", "layernorm1", "layernorm2")
FAMILIES = ("gelu", "softmax", "layernorm")
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
    """Which variant each op of each block uses: .variant[kind, block]; the embedding's is ["layernorm", -1]."""

    def __init__(self, layers, text="exact"):
        self.layers = layers
        self.variant = {(kind, block): "exact" for kind in KINDS for block in range(layers)}
        self.variant["layernorm", -1] = "exact"
        self._apply(text)

    def _apply(self, text):
        rules = []
        for i, item in enumerate(text.split(",")):
            if "=" in item:
                rules.append(read_rule(item))
            elif item in PRESETS and i == 0:
                rules += [(kind, None, variant) for kind, variant in PRESETS[item].items()]
            else:
                raise ValueError(f"approximations: unknown preset '{item}'; known are {', '.join(PRESETS)}, in front")
        for kind, block, variant in sorted(rules, key=lambda rule: rule[1] is not None):  # sorted() is stable
            self._set(kind, block, variant)

    def _set(self, kind, block, variant):
        for known, at in self.variant:
            if kind in (known, family(known)) and block in (None, at):
                self.variant[known, at] = variant

    def copy(self):
        other = Approximations(self.layers)
        other.variant = dict(self.variant)
        return other

    def text(self):
        """A short list that means this: the name of a preset if it is one, else what most blocks do and exceptions."""
        for name in PRESETS:
            if Approximations(self.layers, name).variant == self.variant:
                return name
        count = {kind: Counter(v for (k, _), v in self.variant.items() if kind in (k, family(k)))
                 for kind in ("gelu", "softmax", "layernorm", "layernorm1", "layernorm2")}
        most = {kind: variants.most_common(1)[0][0] for kind, variants in count.items()}
        items = [f"{kind}={variant}" for kind, variant in most.items() if most[family(kind)] != variant or kind in FAMILIES]
        meant = Approximations(self.layers, ",".join(items)).variant
        items += [f"{kind}@{block}={v}" for (kind, block), v in self.variant.items() if meant[kind, block] != v]
        return ",".join(items)


def read_rule(item):
    """KIND=VARIANT or KIND@BLOCK=VARIANT"""
    left, variant = item.split("=", 1)
    kind, _, block = left.partition("@")
    if kind not in KINDS + FAMILIES:
        raise ValueError(f"approximations: unknown kind '{kind}'; known are {', '.join(FAMILIES + KINDS[2:])}")
    if variant not in VARIANTS[family(kind)]:
        known = ", ".join(VARIANTS[family(kind)])
        raise ValueError(f"approximations: unknown variant '{variant}' of {kind}; known are {known}")
    return kind, int(block) if block else None, variant
