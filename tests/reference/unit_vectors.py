#!/usr/bin/env python3
"""Executable reference of the check of an outside owner's selection vectors (runtime/steps/lookup/check_selection.c).

For a token t and each component j, party j holds a_j and party j-1 holds b_j, bit vectors over the rows of a table, and
all three hold replicated shares of sign_j. The parties check that a_j + b_j is the unit vector of one t for all three j
and that sign_j is the difference of both vectors at t. Every message goes through send(), which insists on a mask that
its receiver cannot make, or known(): the run ends unless the receiver has the same value already.
"""
import collections
import random

ROWS, TOKENS, WORD = 24, 3, 1 << 64
rng = random.Random(7)


class Field:
    """GF(2^64), or GF(2^8), in which a whole view can be counted."""

    def __init__(self, bits):
        self.bits, self.modulus = bits, 1 << bits | 0x1B                       # x^4 + x^3 + x + 1 does for both

    def mul(self, a, b):
        product = 0
        for bit in format(b, "b"):
            product <<= 1
            if product >> self.bits:
                product ^= self.modulus
            if bit == "1":
                product ^= a
        return product

    def draw(self):
        return rng.getrandbits(self.bits)


LARGE, SMALL = Field(64), Field(8)


class Stopped(Exception):
    """The honest parties end the run; the argument says after which round."""


class Deal:
    """What an owner deals for one token: a[j], b[j], shares sign[k][j] of sign_j, which parties k and k-1 hold."""

    def __init__(self, difference, sign=None):
        self.b = [[rng.getrandbits(1) for _ in range(ROWS)] for _ in range(3)]
        self.a = [[x ^ d for x, d in zip(self.b[j], difference[j])] for j in range(3)]
        true = [sum(self.a[j]) - sum(self.b[j]) for j in range(3)]
        self.sign = [[rng.getrandbits(64) for _ in range(3)] for _ in range(2)]
        wanted = [true[j] if sign is None or sign[j] is None else sign[j] for j in range(3)]
        self.sign.append([(wanted[j] - self.sign[0][j] - self.sign[1][j]) % WORD for j in range(3)])


def unit(*places):
    return [int(i in places) for i in range(ROWS)]


def inner(r, bits):
    total = 0
    for x, bit in zip(r, bits):
        total ^= x * bit
    return total


def check(deal, field=LARGE, shift=None):
    """Returns each party's view. shift: a party that deviates, its errors of x and of y, and of its part of w."""
    mul, draw = field.mul, field.draw
    view = [[] for _ in range(3)]
    cheat, ex, ey, ew = shift or (None, 0, 0, 0)

    def send(receiver, value, key):
        assert receiver not in (key, (key - 1) % 3), "the receiver can make this mask"
        view[receiver].append(value)
        return value

    def known(receiver, value):
        view[receiver].append(value)
        return value

    r, s = [draw() for _ in range(ROWS)], [draw() for _ in range(ROWS)]      # the coin, unknown to the owner
    rs, gamma = [mul(x, y) for x, y in zip(r, s)], [draw() for _ in deal]
    functionals = lambda bits: (inner(r, bits), inner(s, bits), inner(rs, bits), sum(bits))
    first = [[functionals(d.a[p]) for d in deal] for p in range(3)]            # party p, of component p
    second = [[functionals(d.b[(p + 1) % 3]) for d in deal] for p in range(3)]  # of component p + 1

    # Round 1: of component 0, which parties 0 and 2 hold, they open x = <r, d> and y = <s, d> under masks of party 1.
    mask0 = [(draw(), draw()) for _ in deal]                                   # of key 1: parties 1 and 0
    mask2 = [(draw(), draw()) for _ in deal]                                   # of key 2: parties 2 and 1
    c = {0: [], 2: []}
    for i in range(len(deal)):
        own = {0: [first[0][i][k] ^ mask0[i][k] for k in (0, 1)], 2: [second[2][i][k] ^ mask2[i][k] for k in (0, 1)]}
        if cheat in (0, 2) and i == 0:
            own[cheat] = [own[cheat][0] ^ ex, own[cheat][1] ^ ey]
        c[2].append([own[2][k] ^ send(2, own[0][k], 1) for k in (0, 1)])
        c[0].append([own[0][k] ^ send(0, own[2][k], 2) for k in (0, 1)])
    v = [[m[k] ^ n[k] for k in (0, 1)] for m, n in zip(mask0, mask2)]          # party 1
    opened = lambda p: v if p == 1 else c[p]

    # Parts of w, the sum of gamma (x y - <rs, d>).
    w = [0, 0, 0]
    for i, g in enumerate(gamma):
        for p, m, z in ((0, mask0, first[0]), (2, mask2, second[2])):
            w[p] ^= mul(g, mul(c[p][i][0], m[i][1]) ^ mul(c[p][i][1], m[i][0]) ^ z[i][2])
        w[0] ^= mul(g, mul(*c[0][i]))
        w[1] ^= mul(g, mul(*v[i]))
    if cheat is not None:
        w[cheat] ^= ew

    # Round 2: both holders of component j compare a sum under key j: of signs, parities, and what was opened.
    differ = [False] * 3
    for j in range(3):
        left, right, total = j, (j - 1) % 3, [0, 0]
        for i, d in enumerate(deal):
            e = [draw() for _ in range(4)]                                     # of key j
            low = (1 << field.bits) - 1
            at_left = [(d.sign[j][j] + d.sign[(j + 1) % 3][j] - first[left][i][3]) % WORD, first[left][i][3] & 1]
            at_right = [(-d.sign[right][j] - second[right][i][3]) % WORD, second[right][i][3] & 1 ^ 1]
            if j:
                at_left += [first[left][i][k] ^ opened(left)[i][k] for k in (0, 1)]
                at_right += [second[right][i][k] ^ opened(right)[i][k] for k in (0, 1)]
            for side, values in enumerate((at_left, at_right)):
                for x, y in zip(e, values):
                    total[side] ^= mul(x, y & low)
        known(right, total[0]), known(left, total[1])
        if total[0] != total[1]:
            differ[left] = differ[right] = True
    # Round 2 as well: party V's part of w goes under a mask of V and V+2 to V+1.
    alpha, beta = [0] * 3, [0] * 3
    for V in range(3):
        mu = draw()                                                            # of key V: parties V and V+2
        alpha[V] = w[(V + 1) % 3] ^ send((V + 1) % 3, w[V] ^ mu, V)
        beta[V] = w[(V + 2) % 3] ^ mu
    if any(differ[p] for p in range(3) if p != cheat):
        raise Stopped(2, view, cheat is None or all(differ[p] for p in range(3) if p != cheat))
    # Round 3: V + 1 and V + 2 send rho alpha + sigma and rho beta + sigma, which V compares.
    failed = False
    for V in range(3):
        rho, sigma = draw(), draw()                                            # of key V+2: parties V+2 and V+1
        left, right = (send(V, mul(rho, x[V]) ^ sigma, (V + 2) % 3) for x in (alpha, beta))
        failed |= left != right
    if failed:
        raise Stopped(3, view, True)
    return view


def passes(*arguments, **named):
    try:
        check(*arguments, **named)
        return True
    except Stopped:
        return False


def honest(t):
    return Deal([unit(t)] * 3)


def cheaters():
    yield "two ones", Deal([unit(3, 9)] * 3, [1] * 3)
    yield "three ones", Deal([unit(3, 9, 11)] * 3)
    yield "three ones, signs 1", Deal([unit(3, 9, 11)] * 3, [1] * 3)
    yield "none", Deal([unit()] * 3)
    yield "none, signs 1", Deal([unit()] * 3, [1] * 3)
    yield "all", Deal([[1] * ROWS] * 3)
    for j in range(3):
        other = [unit(4)] * 3
        other[j] = unit(5)
        yield f"another token for component {j}", Deal(other)
        other[j] = unit()
        yield f"no token for component {j}", Deal(other)
        true = honest(4)
        true.sign[1][j] = -true.sign[1][j] % WORD
        yield f"another sign of component {j}", true
        for big in (0, 3, 2 ** 40, 2 ** 63 + 1):
            sign = [None] * 3
            sign[j] = big
            yield f"a factor of {big} for component {j}", Deal([unit(4)] * 3, sign)


def sound():
    for t in range(ROWS):
        assert passes([honest(t), honest(0), honest(t)])
    count = 0
    for name, bad in cheaters():
        for place in range(TOKENS):
            deal = [honest(rng.randrange(ROWS)) for _ in range(TOKENS)]
            deal[place] = bad
            assert not passes(deal), name
        assert not passes([bad, bad]), name + ", twice"
        count += 1
    # The classic sketch, with the squares of r for s, takes anything in characteristic 2.
    r = [LARGE.draw() for _ in range(ROWS)]
    for d in (unit(3), unit(3, 9, 11), [1] * ROWS):
        x = inner(r, d)
        assert LARGE.mul(x, x) == inner([LARGE.mul(y, y) for y in r], d)
    return count


def silent(trials=3000):
    """In GF(2^8): what a party receives in masked messages is uniform, whatever the token; the rest it knows."""
    for party in range(3):
        for t in (0, 17):
            bins = collections.defaultdict(lambda: [0] * 256)
            for _ in range(trials):
                view = check([honest(t)], SMALL)[party]
                for place, value in enumerate(view):
                    bins[place][value] += 1
            for place, bin in bins.items():
                chi = sum((n - trials / 256) ** 2 for n in bin) * 256 / trials
                assert chi < 500, (party, t, place, chi)


def no_guessing():
    """Whoever shifts what it opens fails for any token, so that whether the run ends says nothing: not even if the
    error of w makes up for the shift where the token is the guessed one."""
    for cheat in (0, 2):
        for shift in ((5, 0), (0, 9), (5, 9)):
            for t in range(4):
                try:
                    check([honest(t)], LARGE, (cheat, *shift, LARGE.draw()))
                    raise AssertionError("a shift passes")
                except Stopped as stop:
                    after, _, both = stop.args
                    assert after == 2 and both, "a honest party goes on to the last round"
    for cheat in range(3):
        for t in range(4):
            assert not passes([honest(t)], LARGE, (cheat, 0, 0, 77))


def main():
    count = sound()
    silent()
    no_guessing()
    print(f"unit vectors pass, {count} kinds of others do not; what is opened is uniform or known, shifts always fail")


main()
