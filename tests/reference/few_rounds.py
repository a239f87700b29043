#!/usr/bin/env python3
"""Executable reference of three protocols for few rounds, with every value made from what its party holds.

In a third of a tensor x = c + v mod 2^l; L and R know c, S knows v. S shares key "SL" with L and "SR" with R. Every
message goes through send(), which insists on a mask that its receiver cannot make. See runtime/steps/spline.c,
runtime/steps/compare_tree.h and runtime/steps/staircase.c.
"""
import itertools
import math
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

U = np.uint64
rng = np.random.default_rng(11)


def random(n, bits=64):
    return rng.integers(0, 1 << 64, n, dtype=U) & U((1 << bits) - 1 if bits < 64 else 0xFFFFFFFFFFFFFFFF)


def send(receiver, value, mask_key):
    assert (receiver, mask_key) in (("R", "SL"), ("L", "SR")), "the receiver can make this mask"
    return value.copy()


def spline(c, v, drop, segment, end, unit, f, frac):
    """f(x) for the integers x = c + v with unit + drop fractional bits, as lines over 128 segments of [-end, end)."""
    n, segments = len(c), 128
    width = 2 * end / segments
    lines = []
    for i in range(segments):
        r = np.linspace(0, 2 * width, 65)
        y = np.array([f(i * width - end + t) for t in r])
        b = (y[-1] - y[0]) / (2 * width)
        off = y - y[0] - b * r
        lines.append((y[0] + np.average(off, weights=np.minimum(r, 2 * width - r)), b))   # right in the mean
    A = np.round([a * 2.0 ** frac for a, _ in lines]).astype(np.int64).astype(U)
    B = np.round([b * 2.0 ** (frac - unit) for _, b in lines]).astype(np.int64).astype(U)
    offset = U(int(end * 2 ** (unit + drop)) + ((1 << drop) - 1 if drop else 0))
    parts = lambda x: ((x >> U(drop + segment)) & U(segments - 1), (x >> U(drop)) & U((1 << segment) - 1))
    (ch, cl), (vh, vl) = parts(c + offset), parts(v)
    # S deals the unit vector of vh
    left = rng.integers(0, 2, (n, segments), dtype=np.uint8)                   # stream of SL
    right = left.copy()
    right[np.arange(n), vh.astype(int)] ^= 1
    right = send("R", right, "SL")
    sign = np.where(left[np.arange(n), vh.astype(int)] == 1, 1, -1).astype(np.int64).astype(U)

    def opened(bits, side):                                                    # L and R, each alone
        index = (np.arange(segments)[None] - ch[:, None].astype(int)) % segments
        turned = np.take_along_axis(bits, index, 1).astype(U)
        a, b = (turned * A).sum(1, dtype=U) * side, (turned * B).sum(1, dtype=U) * side
        return a + b * cl, b

    (pl, ql), (pr, qr) = opened(left, U(1)), opened(right, U(0xFFFFFFFFFFFFFFFF))
    mpl, mql, mpr, mqr = (random(n) for _ in range(4))                         # two streams of SL, two of SR
    P = send("R", pl + mpl, "SL") + send("L", pr + mpr, "SR")
    Q = send("R", ql + mql, "SL") + send("L", qr + mqr, "SR")
    factor = [sign, sign * vl, sign * (mpl + mpr) + sign * vl * (mql + mqr)]   # S knows all of these
    at_l = [random(n) for _ in factor]                                         # streams of SL
    at_r = [send("R", x - y, "SL") for x, y in zip(factor, at_l)]
    part = lambda s: s[0] * P + s[1] * Q - s[2]
    rl, rr = random(n), random(n)                                              # of SL, of SR; S holds both
    common = send("R", part(at_l) - rl, "SL") + send("L", part(at_r) - rr, "SR")
    return (common + (rl + rr)).astype(np.int64) / 2.0 ** frac


def greater(a, t, blocks, bits):
    """[a > t] as XOR shares of L and R, who know a; S knows t. All blocks are combined in one exchange."""
    n = len(a)
    cut = lambda x, j: ((x >> U(j * bits)) & U((1 << bits) - 1)).astype(int)
    share = {"L": {}, "R": {}}
    for j in range(blocks):
        left = rng.integers(0, 2, (n, 1 << bits), dtype=np.uint8)              # stream of SL
        right = left.copy()
        right[np.arange(n), cut(t, j)] ^= 1
        right = send("R", right, "SL")
        for side, vector in (("L", left), ("R", right)):
            below = (np.cumsum(vector, 1) - vector) & 1
            share[side]["e", j] = vector[np.arange(n), cut(a, j)]
            share[side]["g", j] = below[np.arange(n), cut(a, j)].astype(np.uint8)
    top = blocks - 1
    wires = [("e", j) for j in range(1, blocks)] + [("g", j) for j in range(top)]
    mask = {side: {w: rng.integers(0, 2, n, dtype=np.uint8) for w in wires} for side in "LR"}  # streams of SL, of SR
    d = {w: send("R", share["L"][w] ^ mask["L"][w], "SL") ^ send("L", share["R"][w] ^ mask["R"][w], "SR") for w in wires}
    terms = [tuple(("e", i) for i in range(j + 1, blocks)) + (("g", j),) for j in range(top)]
    sets = {s for term in terms for k in range(2, len(term) + 1) for s in itertools.combinations(term, k)}
    dealt = {"L": {}, "R": {}}
    for s in sets:
        product = np.bitwise_and.reduce([mask["L"][w] ^ mask["R"][w] for w in s])
        dealt["L"][s] = rng.integers(0, 2, n, dtype=np.uint8)                  # stream of SL
        dealt["R"][s] = send("R", product ^ dealt["L"][s], "SL")
    result = np.zeros(n, np.uint8)
    for side in "LR":
        mine = share[side]["g", top].copy()
        for term in terms:
            for k in range(len(term) + 1):
                for s in itertools.combinations(term, k):
                    x = np.full(n, side == "L", np.uint8) if k == 0 else mask[side][s[0]] if k == 1 else dealt[side][s]
                    for w in set(term) - set(s):
                        x = x & d[w]
                    mine ^= x
        result ^= mine
    return result, len(sets)


def lines(c, v, delta, rho, y, s):
    """y[-1] + s[-1] x + the sum of (delta_j ^ rho_j)(y_j + s_j x), x = c + v. Bits: of n elements and m thresholds.
    v is what L and R hold of S's: each knows one of its two components."""
    n, m = delta.shape
    v_left = random(n)                                                         # the component that S shares with L
    v_right = v - v_left                                                       # and that with R
    dealt = {"L": (random((n, m)), random((n, m)))}                            # streams of SL
    dealt["R"] = (send("R", rho - dealt["L"][0], "SL"), send("R", rho * v[:, None] - dealt["L"][1], "SL"))
    common = U(0)
    mask = {"L": random(n), "R": random(n)}                                    # of SL, of SR; S holds both
    for side, half, one in (("L", v_left + c, U(1)), ("R", v_right, U(0))):
        bit, product = dealt[side]
        sign = U(1) - U(2) * delta
        part = y[-1] * one + s[-1] * half
        part = part + ((sign * bit + delta * one) * y[:-1]).sum(1, dtype=U)
        part = part + ((sign * (c[:, None] * bit + product) + delta * half[:, None]) * s[:-1]).sum(1, dtype=U)
        common = common + send("R" if side == "L" else "L", part - mask[side], "S" + side)
    return common + mask["L"] + mask["R"]


def main():
    n, gelu = 20000, lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
    x = rng.uniform(-4 + 1 / 16, 4, n)
    integers = np.floor(x * 2 ** 16).astype(np.int64).astype(U)
    v = random(n)
    error = spline(integers - v, v, 4, 8, 4, 12, gelu, 24) - np.array([gelu(t) for t in x])
    assert abs(error.mean()) < 3e-5, error.mean()
    error = np.abs(error)
    assert error.max() < 1.7e-3, error.max()
    for blocks, bits, products in ((1, 4, 0), (2, 3, 1), (3, 3, 5), (4, 2, 15), (5, 5, 37), (6, 1, 83)):
        a, t = random(3000, blocks * bits), random(3000, blocks * bits)
        t[:500] = a[:500]
        is_greater, count = greater(a, t, blocks, bits)
        assert count == products and (is_greater == (a > t)).all()
    m = 9
    x, v, delta, rho = random(n), random(n), random((n, m), 1), random((n, m), 1)
    y, s = random(m + 1), random(m + 1)
    wanted = y[-1] + s[-1] * x + ((delta ^ rho) * (y[:-1] + s[:-1] * x[:, None])).sum(1, dtype=U)
    assert (lines(x - v, v, delta, rho, y, s) == wanted).all()
    print(f"lines over 128 segments of +-4: GELU within {error.max():.1e}; comparisons in one exchange agree")


main()
