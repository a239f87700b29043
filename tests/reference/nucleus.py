"""The nucleus of a row (top-p) by a threshold that nobody learns: a search by halves over all scores at once.

An executable reference of ops/nucleus.c over shares: every message goes through send(), which insists on a mask that its
receiver cannot make. Comparisons and products are those of eviction.py, in the 2+1 view: S knows v, L and R know c.
"""
import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from eviction import RING, U, as_share, negative, np, product, replicated, rng, shared

DEPTH, HEIGHT_FRAC, STEP = 16, 9, 2.0 ** -8
WEIGHT_FRAC = 8                                                                # so that sums of 300 fit the ring compared


def above(c, v):
    """A share of [c + v >= 0]."""
    bit = as_share(*negative(c, v, RING))
    return U(1) - bit[0], U(0) - bit[1]


def outside(below, weight, top_p):
    """[out of the nucleus] of each score, as a share: `below` from the largest, in units; their weights in units."""
    needed = int(np.ceil(top_p * weight.sum()))                                # in the program a share as well
    c, v = shared(below + (DEPTH << HEIGHT_FRAC))                              # heights above the threshold so far
    w = shared(weight)
    step = DEPTH / 2
    while step >= STEP:
        unit = U(int(step * 2 ** HEIGHT_FRAC))
        bits = above(c - unit, v)
        mass = product(replicated(*(part[None] for part in bits)), replicated(*(part[:, None] for part in w))).ravel()
        lost = rng.integers(0, 1 << 63, 1, dtype=np.int64).astype(U)           # the product's result, in the 2+1 view
        raised = above(lost - U(needed), mass - lost)                          # is there enough from the next threshold on?
        c, v = c - unit * raised[0], v - unit * raised[1]
        step /= 2
    return as_share(*negative(c, v, RING))


def main():
    for n, top_p, spread in ((2, 0.5, 1.0), (40, 0.9, 3.0), (300, 0.6, 2.0), (300, 0.99, 0.5), (300, 1e-6, 1.0)):
        logit = rng.normal(0, spread, n)
        below = np.round(np.maximum(logit - logit.max(), -DEPTH) * 2 ** HEIGHT_FRAC).astype(np.int64)
        weight = np.round(np.exp(below / 2 ** HEIGHT_FRAC) * 2 ** WEIGHT_FRAC).astype(np.int64)
        kept = 1 - sum(outside(below, weight, top_p)).astype(np.int64)
        assert set(kept) <= {0, 1} and kept[below == 0].all()
        edge = below[kept == 1].min()
        assert kept.sum() == (below >= edge).sum()                             # a threshold, and it is the right one
        assert weight[below >= edge].sum() >= top_p * weight.sum()
        assert weight[below >= edge + 2 * STEP * 2 ** HEIGHT_FRAC].sum() < max(top_p * weight.sum(), 1)  \
            or below.max() < edge + 2 * STEP * 2 ** HEIGHT_FRAC
    print("nuclei end at the threshold from which on there is enough, to a step")


main()
