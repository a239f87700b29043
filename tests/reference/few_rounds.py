#!/usr/bin/env python3
"""Executable reference of protocols for few rounds, with every value made from what its party holds.

In a third of a tensor x = c + v mod 2^l; L and R know c, S knows v. S shares key "SL" with L and "SR" with R. Every
message goes through send(), which insists on a mask that its receiver cannot make. See runtime/steps/spline.c,
runtime/steps/compare_tree.h, runtime/steps/select.c, runtime/steps/lookup/embed.c, runtime/steps/pieces.c,
runtime/steps/powers.c and runtime/steps/winners.c.
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
    n, segments, fine, own = len(c), 128, 19, 14                               # fractional bits of B and C, and of w
    half = end / segments
    bends = []
    for i in range(segments):                                                  # around where segment i ends
        t = np.sqrt(0.75) * half * np.array([-1, 0, 1])
        x = 2 * half * (i + 1) - end + t
        y = [np.mean([f(a + half * b) for b in np.linspace(-1, 1, 129)]) for a in x]      # right in the mean
        bends.append(np.polyfit(t, y, 2))
    A = np.round([a * 2.0 ** frac for _, _, a in bends]).astype(np.int64).astype(U)
    B, C = (np.round([b[k] * 2.0 ** fine for b in bends]).astype(np.int64) for k in (1, 0))
    middle = np.int64(1 << (segment - 1))
    rounded = lambda x, bits: (x + ((1 << bits) >> 1)) >> bits
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
        a, b, c2 = (turned * A).sum(1, dtype=U), turned.astype(np.int64) @ B, turned.astype(np.int64) @ C
        assert max(np.abs(b).max(), np.abs(c2).max()) < 1 << 30                # whole numbers: each side rounds its own
        t = cl.astype(np.int64) - middle
        p = rounded(((b << unit) + c2 * t) * t, fine + 2 * unit - frac)
        q = rounded((b << unit) + 2 * c2 * t, fine + unit + own - frac)
        return (a + p.astype(U)) * side, q.astype(U) * side

    (pl, ql), (pr, qr) = opened(left, U(1)), opened(right, U(0xFFFFFFFFFFFFFFFF))
    mpl, mql, mpr, mqr = (random(n) for _ in range(4))                         # two streams of SL, two of SR
    P = send("R", pl + mpl, "SL") + send("L", pr + mpr, "SR")
    Q = send("R", ql + mql, "SL") + send("L", qr + mqr, "SR")
    w = rounded(vl.astype(np.int64) - middle, unit - own).astype(U)
    factor = [sign, sign * w, sign * (mpl + mpr) + sign * w * (mql + mqr)]     # S knows all of these
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


def powers(c, v, octaves, frac=12, log=6, point=2, entry=22, own=13):
    """2^(octaves x) for the integers x = c + v <= 0 with frac fractional bits, by 2^log segments of 2^point."""
    n, segment = len(c), frac + point
    c = c + U((1 << segment + log) - 1)
    parts = lambda x: ((x >> U(segment)) & U((1 << log) - 1), x & U((1 << segment) - 1))
    (ch, cl), (vh, vl) = parts(c), parts(v)
    left = rng.integers(0, 2, (n, 1 << log), dtype=np.uint8)                   # stream of SL
    right = left.copy()
    right[np.arange(n), vh.astype(int)] ^= 1
    right = send("R", right, "SL")
    sign = np.where(left[np.arange(n), vh.astype(int)] == 1, 1, -1).astype(np.int64).astype(U)
    i = np.arange(1 << log)[None]
    exact = 2.0 ** (octaves * ((i + 1.0 - (1 << log)) * 2 ** point - 2 ** point + (cl[:, None].astype(float) + 1) / 2 ** frac))
    table = np.where(exact < 2.0, np.round(exact * 2.0 ** entry), 0).astype(np.int64).astype(U)   # L and R know cl
    turned = lambda bits: np.take_along_axis(bits, (i - ch[:, None].astype(int)) % (1 << log), 1).astype(U)
    mask = {side: random(n) for side in "LR"}                                  # of SL, of SR
    P = send("R", (turned(left) * table).sum(1, dtype=U) + mask["L"], "SL")
    P = P + send("L", U(0) - (turned(right) * table).sum(1, dtype=U) + mask["R"], "SR")
    factor = sign * np.round(2.0 ** (octaves * vl / 2.0 ** frac + own)).astype(U)
    dealt = share_out([factor, factor * (mask["L"] + mask["R"])])
    part = {side: dealt[side][0] * P - dealt[side][1] for side in "LR"}
    return reshared(part).astype(np.int64) / 2.0 ** (entry + own)


def halves(v):
    """What L and R hold of S's v: each knows one of its two components."""
    left = random(len(v))                                                      # the component that S shares with L
    return {"L": left, "R": v - left}                                          # and that with R


def share_out(values):
    """S deals shares of a list of its values mod 2^64."""
    left = [random(len(x)) for x in values]                                    # streams of SL
    return {"L": left, "R": [send("R", x - y, "SL") for x, y in zip(values, left)]}


def reshared(part):
    """L and R, who hold parts of a result, make it c + v again."""
    mask = {side: random(len(part[side])) for side in "LR"}                    # of SL, of SR; S holds both
    common = sum(send("R" if side == "L" else "L", part[side] - mask[side], "S" + side) for side in "LR")
    return common + mask["L"] + mask["R"]


def signs(count):
    return 1 - (count & 2)


WIDE = 1 << 128


def pieces(m, c, v, delta, rho, coefficient):
    """p_j(x), the first j with b_j = delta_j ^ rho_j = 1, or the last, of x = c + v mod 2^m within 2^(m-2), mod 2^128.
    Bits: planes of n elements, zeros then ones. All numbers are Python's."""
    n, degree = len(c), len(coefficient[0]) - 1
    wide = lambda: random(n).astype(object) * (1 << 64) + random(n).astype(object)
    binomial = [[math.comb(i, k) for k in range(degree + 1)] for i in range(degree + 1)]
    shifted = lambda of, k, z: sum(of[i] * binomial[i][k] * z ** (i - k) for i in range(k, degree + 1))

    def sums(bits, last):                                                      # of one side's halves of the bits
        here = [x ^ y for x, y in zip([0 * last] + bits, bits + [last])]
        return sum(here), [sum(h * p[k] for h, p in zip(here, coefficient)) for k in range(degree + 1)]

    count, of = sums(rho, np.zeros(n, object))                                 # S: halves of bits, v
    sign, top = signs(count + 1), v >> (m - 1)
    values = [np.ones(n, object), of[degree]]
    for bit in (0, 1):                                                         # c's top bit
        z = v - ((bit | top) << m)
        values += [z ** (k + 1) for k in range(degree)] + [shifted(of, k, z) for k in range(degree)]
    left = [wide() for _ in values]                                            # streams of SL
    dealt = {"L": left, "R": [send("R", (sign * x - y) % WIDE, "SL") for x, y in zip(values, left)]}
    part = {}
    for side in "LR":                                                          # each alone, from delta and c
        count, of = sums(delta, np.ones(n, object))
        up = (c + (1 << (m - 2))) % (1 << m)
        z, upper = up - (1 << (m - 2)), up >> (m - 1)
        of_bit = [dealt[side][2 + 2 * degree * bit:][:2 * degree] for bit in (0, 1)]
        chosen = [zero * (1 - upper) + one * upper for zero, one in zip(*of_bit)]
        sum_ = shifted(of, 0, z) * dealt[side][0] - z ** degree * dealt[side][1]
        for k in range(degree):
            sum_ = sum_ + shifted(of, k + 1, z) * chosen[k] - z ** k * chosen[degree + k]
        part[side] = signs(count) * sum_ % WIDE
    mask = {side: wide() for side in "LR"}                                     # of SL, of SR; S holds both
    common = sum(send("R" if side == "L" else "L", (part[side] - mask[side]) % WIDE, "S" + side) for side in "LR")
    return (common + mask["L"] + mask["R"]) % WIDE, len(values)


def select_lifted(m, n, c, v, component, delta, rho):
    """(delta ^ rho) x mod 2^n for x = c + v mod 2^m within 2^(m-2); the components of v at L and R are mod 2^m."""
    bits = lambda x: x & U((1 << n) - 1)
    total = component["L"] + component["R"]
    nv, wrap = U(1) - (v >> U(m - 1)), total >> U(m)
    dealt = share_out([rho, rho * (v - U(1 << m)), rho * nv, nv, wrap])
    part = {}
    for side, one in (("L", U(1)), ("R", U(0))):
        up = (c + U(1 << (m - 2))) & U((1 << m) - 1)
        z, nc = up - U(1 << (m - 2)), U(1) - (up >> U(m - 1))
        r, rv, rn, own_nv, own_wrap = dealt[side]
        once = z * r + rv + ((nc * rn) << U(m))
        x = component[side] + one * (z - U(1 << m)) + ((nc * own_nv - own_wrap) << U(m))
        part[side] = (U(1) - U(2) * delta) * once + delta * x
    return bits(reshared(part))


def embed_lifted(m, n, c, v, sign, mu):
    """Rows c + v mod 2^m, |c + v| < 2^(m-2), mod 2^n from s c + mu (opened between L and R) and what S knows."""
    mask, one, offset = U((1 << m) - 1), U(1), U(1 << (m - 2))
    opened = (sign * c + mu["SL"] + mu["SR"]) & mask                           # S knows the sign and both masks
    w = (v - sign * (mu["SL"] + mu["SR"])) & mask
    e, nw = (sign + one) >> one, one - (w >> U(m - 1))
    dealt = share_out([e, w, nw, e * nw])
    plus, minus = (offset + opened) & mask, (offset - opened) & mask
    above, below = one - (plus >> U(m - 1)), one - (minus >> U(m - 1))
    part = {}
    for side in ("L", "R"):
        e, w, nw, both = dealt[side]
        part[side] = e * (plus - minus) + w + ((both * (above - below) + nw * below) << U(m))
        if side == "L":
            part[side] = part[side] + minus - offset - U(1 << m)
    return reshared(part) & U((1 << n) - 1 if n < 64 else 0xFFFFFFFFFFFFFFFF)


def literals(g, i):
    """The pairs that element i meets, and whether it wins where the pair's bit is 0."""
    pair = {p: q for q, p in enumerate(itertools.combinations(range(g), 2))}
    return [(pair[min(i, j), max(i, j)], j > i) for j in range(g) if j != i]


def winners(g, delta, rho):
    """Whether element i = 1, 2, .. is the first of the largest of g, given the bits of all pairs: split bits again."""
    n, out = len(delta[0]), []
    for i in range(1, g):
        lits = literals(g, i)
        d = [delta[q] ^ U(negate) for q, negate in lits]
        sets = [s for k in range(len(lits) + 1) for s in itertools.combinations(range(len(lits)), k)]
        product = {s: np.bitwise_and.reduce([rho[lits[k][0]] for k in s]) if s else np.ones(n, U) for s in sets}
        left = {s: random(n, 1) if s else np.ones(n, U) for s in sets}         # streams of SL; L counts the constant
        right = {s: send("R", product[s] ^ left[s], "SL") if s else np.zeros(n, U) for s in sets}
        share = {}
        for side, dealt in (("L", left), ("R", right)):
            share[side] = np.zeros(n, U)
            for s in sets:
                share[side] ^= np.bitwise_and.reduce([dealt[s]] + [d[k] for k in range(len(lits)) if k not in s])
        mask = {side: random(n, 1) for side in "LR"}                           # of SL, of SR
        opened = send("R", share["L"] ^ mask["L"], "SL") ^ send("L", share["R"] ^ mask["R"], "SR")
        out.append((opened, mask["L"] ^ mask["R"]))                            # delta', and rho' known to S
    return out


def select_winner(g, delta, rho, more):
    """What the first of the largest adds to element 0: more[i - 1] = c + v of element i."""
    part = {"L": U(0), "R": U(0)}
    for i in range(1, g):
        c, v = more[i - 1]
        lits = literals(g, i)
        sets = [s for k in range(1, len(lits) + 1) for s in itertools.combinations(range(len(lits)), k)]
        product = [np.bitwise_and.reduce([rho[lits[k][0]] for k in s]) for s in sets]
        dealt, component = share_out(product + [p * v for p in product]), halves(v)
        for side, one in (("L", U(1)), ("R", U(0))):
            term = {(): component[side] + c * one}
            for k, s in enumerate(sets):
                term[s] = c * dealt[side][k] + dealt[side][len(sets) + k]
            for s, x in term.items():
                for k, (q, negate) in enumerate(lits):                         # delta, or 1 - 2 delta where rho is in
                    d = delta[q] ^ U(negate)
                    x = x * ((U(1) - U(2) * d) if k in s else d)
                part[side] = part[side] + x
    return reshared(part)


def powers_at_once(c, v, octaves, frac=12, log=6, point=2, entry=22, own=13):
    """The same in one exchange: S deals the table itself, its own factor in it, for each segment at which c may lie."""
    n, segment = len(c), frac + point
    c = c + U((1 << segment + log) - 1)
    parts = lambda x: ((x >> U(segment)) & U((1 << log) - 1), x & U((1 << segment) - 1))
    (ch, cl), (vh, vl) = parts(c), parts(v)
    i = (np.arange(1 << log)[None] + vh[:, None].astype(int)) % (1 << log)     # where c lies at each of these
    exact = 2.0 ** (octaves * ((i - (1 << log)) * 2.0 ** point + (vl[:, None].astype(float) + 1) / 2 ** frac))
    table = np.round(exact * 2.0 ** entry).astype(np.int64).astype(U)
    half = {"L": random(n << log).reshape(n, 1 << log)}                        # stream of SL
    half["R"] = send("R", table - half["L"], "SL")
    factor = np.round(2.0 ** (octaves * cl / 2.0 ** frac + own)).astype(U)     # L and R, each alone
    part = {side: half[side][np.arange(n), ch.astype(int)] * factor for side in "LR"}
    return reshared(part).astype(np.int64) / 2.0 ** (entry + own)


def main():
    n, gelu = 20000, lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
    x = rng.uniform(-4 + 1 / 16, 4, n)
    integers = np.floor(x * 2 ** 16).astype(np.int64).astype(U)
    v = random(n)
    error = spline(integers - v, v, 0, 12, 4, 16, gelu, 24) - np.array([gelu(t) for t in x])
    assert abs(error.mean()) < 5e-6, error.mean()
    error = np.abs(error)
    assert error.max() < 3.2e-4, error.max()
    for blocks, bits, products in ((1, 4, 0), (2, 3, 1), (3, 3, 5), (4, 2, 15), (5, 5, 37), (6, 1, 83)):
        a, t = random(3000, blocks * bits), random(3000, blocks * bits)
        t[:500] = a[:500]
        is_greater, count = greater(a, t, blocks, bits)
        assert count == products and (is_greater == (a > t)).all()
    n, whole = 2000, lambda x: x.astype(object)
    for m, degree, count in ((20, 1, 9), (64, 2, 3), (34, 3, 20)):
        right = rng.integers(0, count + 1, n)                                  # the piece in which x lies
        rho = [whole(random(n, 1)) for _ in range(count)]
        delta = [r ^ whole(right <= j) for j, r in enumerate(rho)]
        coefficient = [[int(a) << 60 for a in random(degree + 1)] for _ in range(count + 1)]
        x, v = whole(random(n, m - 1)) - (1 << (m - 2)), whole(random(n, m))
        result, elements = pieces(m, (x - v) % (1 << m), v, delta, rho, coefficient)
        wanted = [sum(a * t ** k for k, a in enumerate(coefficient[j])) % WIDE for j, t in zip(right, x)]
        assert elements == 2 + 4 * degree and (result == wanted).all()
    for m, wide in ((8, 16), (29, 48), (32, 48), (48, 60)):
        left, right, rho, delta = random(n, m), random(n, m), random(n, 1), random(n, 1)
        v, x = (left + right) & U((1 << m) - 1), random(n, m - 1) - U(1 << (m - 2))
        got = select_lifted(m, wide, (x - v) & U((1 << m) - 1), v, {"L": left, "R": right}, delta, rho)
        assert (got == ((delta ^ rho) * x & U((1 << wide) - 1))).all()
        sign = (U(2) * delta - U(1))
        mu = {"SL": random(n, m), "SR": random(n, m)}
        got = embed_lifted(m, wide, (x - v) & U((1 << m) - 1), v, sign, mu)
        assert (got == (x & U((1 << wide) - 1))).all()
    x = -np.concatenate([np.floor(rng.exponential(8, n) * 4096) % (252 * 4096), np.arange(4096.0)])
    v = random(len(x))
    for ways in (powers_at_once, powers):
        off = np.abs(ways(x.astype(np.int64).astype(U) - v, v, 1.4427) - 2.0 ** (1.4427 * x / 4096))
        assert (off < 1e-4 * 2.0 ** (1.4427 * x / 4096) + 4 * 2.0 ** -19).all(), off.max()
    for g in range(2, 6):
        x = rng.integers(0, 6, (g, n))
        rho = [random(n, 1) for _ in range(g * (g - 1) // 2)]
        delta = [r ^ (x[i] < x[j]).astype(U) for r, (i, j) in zip(rho, itertools.combinations(range(g), 2))]
        best = x.argmax(0)
        for i, (d, r) in enumerate(winners(g, delta, rho)):
            assert ((d ^ r) == (best == i + 1)).all()
        v = [random(n) for _ in range(g - 1)]
        more = [((x[i + 1] - x[0]).astype(U) - v[i], v[i]) for i in range(g - 1)]
        assert (select_winner(g, delta, rho, more) == (x.max(0) - x[0]).astype(U)).all()
    print(f"lines over 128 segments of +-4: GELU within {error.max():.1e}; comparisons in one exchange, "
          f"pieces and winners agree; powers within {off.max():.1e}")


main()
