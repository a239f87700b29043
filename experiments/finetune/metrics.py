"""Metrics over predicted and true labels; all are fractions, Matthews' correlation from -1 to 1."""

import math


def accuracy(predicted, true):
    return sum(p == t for p, t in zip(predicted, true)) / len(true)


def _counts(predicted, true):
    pairs = list(zip(predicted, true))
    return tuple(pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 1), (0, 0)))


def f1(predicted, true):
    """Of label 1."""
    hit, wrong, missed, _ = _counts(predicted, true)
    return 2 * hit / (2 * hit + wrong + missed) if hit else 0.0


def matthews(predicted, true):
    hit, wrong, missed, passed = _counts(predicted, true)
    product = (hit + wrong) * (hit + missed) * (passed + wrong) * (passed + missed)
    return (hit * passed - wrong * missed) / math.sqrt(product) if product else 0.0


METRICS = {"accuracy": accuracy, "f1": f1, "matthews": matthews}
