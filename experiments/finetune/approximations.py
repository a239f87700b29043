"""The approximations in floating point, and the text that names which of them a model uses.

The text is that of `trefoil --approx`: a preset in front, KIND=VARIANT for all blocks, KIND@BLOCK=VARIANT for one. Those with a
block prevail over those without, later ones over earlier ones. layernorm1 follows the attention, layernorm2 the
feed-forward layer; layernorm means both and the embedding's, which is block -1.
"""

import functools
import math
from collections import Counter

import torch

EPS = 1e-3  # in the denominators of softmax, as fixed point needs it

KINDS = ("gelu", "softmax", "layernorm1", "layernorm2")
FAMILIES = ("gelu", "softmax", "layernorm")
PRESETS = {
    "exact": {"gelu": "exact", "softmax": "exact", "layernorm": "exact"},
    "paper": {"gelu": "relu", "softmax": "relu", "layernorm": "center"},
    "puma": {"gelu": "puma", "softmax": "exact", "layernorm": "exact"},
    "mpcformer": {"gelu": "quad", "softmax": "2quad", "layernorm": "exact"},
}


def gelu_exact(x):
    return torch.nn.functional.gelu(x)


def gelu_relu(x):
    return torch.relu(x)


def gelu_poly4(x):
    a = x.abs().clamp_max(3)  # so that what is not chosen stays finite, and its gradient zero
    inner = 0.00410626 + a * (-0.55386347 + a * (0.5658561 + a * (-0.19719836 + a * 0.02328962)))
    return torch.relu(x) + inner * (x.abs() < 3)


def gelu_puma(x):
    left, middle = x.clamp(-4, -1.95), x.clamp(-1.95, 3)
    t = middle * middle
    left = -0.5054031199 + left * (-0.4222658115 + left * (-0.1180761295 - 0.0110341340 * left))
    middle = 0.0085263215 + 0.5 * middle + t * (0.3603292693 + t * (-0.0376882004 + 0.0018067463 * t))
    return torch.where(x > 3, x, torch.where(x >= -1.95, middle, left * (x >= -4)))


def gelu_quad(x):
    return 0.125 * x * x + 0.25 * x + 0.5


def softmax_exact(scores, mask):
    return torch.softmax(scores.masked_fill(mask == 0, -math.inf), -1)


def normalised(weights, mask):
    weights = weights * mask
    return weights / (weights.sum(-1, keepdim=True) + EPS)


def softmax_relu(scores, mask):
    return normalised(torch.relu(scores), mask)


def softmax_relu_n(scores, mask):
    return torch.relu(scores) * mask / mask.sum(-1, keepdim=True)


def softmax_2quad(scores, mask):
    return normalised((scores + 5) ** 2, mask)


def softmax_power(scores, mask, power=2.0):
    return normalised(scores**power, mask)


def layernorm_exact(x, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)


def layernorm_center(x, _):
    return x - x.mean(-1, keepdim=True)


VARIANTS = {
    "gelu": {"exact": gelu_exact, "relu": gelu_relu, "poly4": gelu_poly4, "puma": gelu_puma, "quad": gelu_quad},
    "softmax": {"exact": softmax_exact, "relu": softmax_relu, "relu_n": softmax_relu_n, "2quad": softmax_2quad,
                "power": softmax_power},
    "layernorm": {"exact": layernorm_exact, "center": layernorm_center},
}


def family(kind):
    """layernorm1 and layernorm2 have the same variants."""
    return kind.rstrip("12")


def function(kind, variant):
    name, _, parameter = variant.partition(":")
    chosen = VARIANTS[family(kind)][name]
    return functools.partial(chosen, power=float(parameter)) if parameter else chosen


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
    """KIND=VARIANT or KIND@BLOCK=VARIANT, the variant power maybe with an exponent, as power:4."""
    left, variant = item.split("=", 1)
    kind, _, block = left.partition("@")
    if kind not in KINDS + FAMILIES:
        raise ValueError(f"approximations: unknown kind '{kind}'; known are {', '.join(FAMILIES + KINDS[2:])}")
    name, _, parameter = variant.partition(":")
    if name not in VARIANTS[family(kind)]:
        known = ", ".join(VARIANTS[family(kind)])
        raise ValueError(f"approximations: unknown variant '{name}' of {kind}; known are {known}")
    if parameter and (name != "power" or parameter not in ("2", "4", "6", "8")):
        raise ValueError(f"approximations: '{parameter}' is not a parameter of {kind}={name}; power has 2, 4, 6 or 8")
    return kind, int(block) if block else None, variant
