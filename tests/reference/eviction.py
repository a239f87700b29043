"""Which rows of a cache were attended to most, and a smaller cache of those, nothing of which is opened.

An executable reference of ops/eviction.c over replicated shares: every message goes through send(), which insists on a
mask that its receiver cannot make. Comparisons are those of few_rounds.py, in the 2+1 view: S knows v, L and R know c.
"""
import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from few_rounds import U, greater, np, random, rng, send

RING = 20                                                                      # bits of what is ranked: 19 are compared


def shared(x):
    c = random(x.size).reshape(x.shape)
    return c, x.astype(U) - c


def negative(c, v, bits):
    """[x < 0] of x = c + v mod 2^bits, |x| < 2^(bits-2): a bit that L and R know, XOR one that S knows."""
    low = U((1 << (bits - 1)) - 1)
    top = lambda x: ((x >> U(bits - 1)) & U(1)).astype(np.uint8).ravel()
    carry, _ = greater((c & low).ravel(), (low - (v & low)).ravel(), 4, 5)
    mask = rng.integers(0, 2, carry.size, dtype=np.uint8)                      # of the carry S knows a mask, L, R the rest
    return (top(c) ^ carry ^ mask).reshape(c.shape), (top(v) ^ mask).reshape(c.shape)


def as_share(delta, rho):
    """delta ^ rho as c + v: S deals shares of rho, L and R reshare what delta makes of them."""
    delta, rho = delta.astype(U), rho.astype(U)
    at_l = random(rho.size).reshape(rho.shape)                                 # a stream of SL
    at_r = send("R", rho - at_l, "SL")
    flip = U(1) - U(2) * delta
    rl, rr = (random(rho.size).reshape(rho.shape) for _ in range(2))           # of SL, of SR; S holds both
    return send("R", delta + flip * at_l - rl, "SL") + send("L", flip * at_r - rr, "SR"), rl + rr


def choose(attention, count):
    """A share of the matrix whose row j is 1 at the j-th largest, of equal ones at the first."""
    n = attention.size
    c, v = shared(attention)
    i, j = np.triu_indices(n, 1)
    earlier_is_smaller = as_share(*negative(c[i] - c[j], v[i] - v[j], RING))
    lost = []
    for side, (bit, one) in enumerate(zip(earlier_is_smaller, (U(1), U(0)))):  # the sum is the bit; local
        total = np.zeros(n, U)
        np.add.at(total, i, bit)
        np.add.at(total, j, one - bit)
        lost.append(total)
    at_most = as_share(*negative(lost[0][None] - np.arange(1, count + 1).astype(U)[:, None],
                                 np.broadcast_to(lost[1], (count, n)).copy(), RING))
    return [part - np.vstack([np.zeros((1, n), U), part[:-1]]) for part in at_most]


def product(x, y):
    """x y of replicated shares: each party makes its part, and sends it masked by two streams to the one before it."""
    zero = [random(x[0].shape[0] * y[0].shape[1]).reshape(x[0].shape[0], -1) for _ in range(3)]
    part = [x[p] @ (y[p] + y[(p + 1) % 3]) + x[(p + 1) % 3] @ y[p] + zero[p] - zero[(p + 1) % 3] for p in range(3)]
    return sum(part[1:], part[0])


def replicated(c, v):
    share = random(v.size).reshape(v.shape)
    return [c, share, v - share]


def main():
    for n, count, width in ((2, 1, 3), (9, 4, 5), (40, 7, 6)):
        attention = rng.integers(0, 1 << 12, n)
        attention[: n // 3] = attention[0]                                     # some alike
        rows = rng.integers(-(1 << 20), 1 << 20, (n, width)).astype(np.int64).astype(U)
        choice = choose(attention, count)
        order = np.argsort(-attention, kind="stable")[:count]
        assert (choice[0] + choice[1] == (np.arange(n) == order[:, None])).all()
        kept = product(replicated(*choice), replicated(*shared(rows)))
        assert (kept == rows[order]).all()
    print("the rows attended to most are kept, in their order")


if __name__ == "__main__":
    main()
