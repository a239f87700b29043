#!/usr/bin/env python3
"""Executable reference of functions in one exchange: see runtime/steps/curve.c and runtime/party/comparison_key.c; and of
thresholds in one: runtime/steps/threshold_keys.c and runtime/party/bit_key.c.

S knows v, L and R know c, x = c + v mod 2^M. S makes two keys of a comparison with v (Boyle et al. 2021, "Function
secret sharing for mixed-mode and fixed-point secure computation", 3), whose payload is 1, v, v^2, v^3. What S sends goes
through send(), which insists on a mask that its receivers cannot make: of each word one is told what masks it, and who
knows that.
"""
import hashlib
import math
import random

M, WIDE, LEAF = 12, 1 << 128, 3
rng = random.Random(5)


def hashed(seed, tweak):
    return int.from_bytes(hashlib.sha256(b"%d %d" % (seed, tweak)).digest()[:16], "big")


def child(seed, side):
    """A child's seed and control bit."""
    value = hashed(seed, side)
    return value >> 1, value & 1


def worth(seed):
    return [hashed(seed, 2 + k) for k in range(4)]


def send(word, mask_of):
    """A word of the body: for each holder a mask from the other one's seed, which it cannot know."""
    assert mask_of == {"L": "seed of R", "R": "seed of L"}
    return word


MASKS = {"L": "seed of R", "R": "seed of L"}


def go_down(seed, control, bit):
    """A level on alpha's path: its corrections, and the seeds and control bits below it; S alone runs this."""
    made = [[child(s, 0), child(s, 1)] for s in seed]
    off = send(made[0][1 - bit][0] ^ made[1][1 - bit][0], MASKS)
    turns = [send(made[0][0][1] ^ made[1][0][1] ^ bit ^ 1, MASKS), send(made[0][1][1] ^ made[1][1][1] ^ bit, MASKS)]
    control, seed = ([made[b][bit][1] ^ control[b] & turns[bit] for b in (0, 1)],
                     [made[b][bit][0] ^ control[b] * off for b in (0, 1)])
    assert control[0] ^ control[1] == 1                                        # on the path they differ
    return off, turns, seed, control


def make(roots, bits, alpha, payload):
    """The keys' common body; S alone runs this."""
    seed, control, body = list(roots), [0, 1], []
    for i in reversed(range(bits)):
        bit = alpha >> i & 1
        sign = control[0] - control[1]
        value = [send(sign * (p * (1 - bit) - a + b) % WIDE, MASKS) for p, a, b in zip(payload, worth(seed[0]), worth(seed[1]))]
        off, turns, seed, control = go_down(seed, control, bit)
        body.append((off, turns, value))
    return body


def at(holder, root, bits, body, q, depth):
    """What a holder has of [alpha < q] payload, by the upper depth bits; nobody speaks."""
    seed, control, share = root, holder, [0] * 4
    for i in range(depth):
        off, turns, value = body[i]
        bit = q >> bits - 1 - i & 1
        share = [(s + bit * (w + control * v)) % WIDE for s, w, v in zip(share, worth(seed), value)]
        (seed, own), correct = child(seed, bit), control
        seed, control = seed ^ correct * off, own ^ correct & turns[bit]
    return [s * (1, -1)[holder] for s in share]


def moments(h, shift):
    return [sum(math.comb(k, i) * shift ** (k - i) * h[i] for i in range(k + 1)) for k in range(4)]


def curve(c, v, low, thresholds, spare, cubics):
    """The sum of both parts, mod 2^128: the cubic of the piece in which x = c + v - offset lies."""
    offset, width, bits = 2 << low, M - low, M - low + 1
    c = (c + offset) % (1 << M)
    roots = [rng.getrandbits(127), rng.getrandbits(127)]                       # streams of S and L, of S and R
    body = make(roots, bits, v >> low, [v ** k for k in range(4)])
    total, high = 0, c >> low
    minus = lambda a, b: [x - y for x, y in zip(a, b)]
    times = lambda p, h: sum(a * b for a, b in zip(p, h))
    for holder in (0, 1):
        G = lambda q, depth=bits: at(holder, roots[holder], bits, body, q, depth)
        wrap, everything = G((1 << width) - high), G(1 << width, 1)
        below, above = c - offset, c - offset - (1 << M)
        rest = moments(minus(everything, wrap), above)
        part = times(cubics[-1], moments(wrap, below)) + times(cubics[-1], rest)
        for t, s, p, n in zip(thresholds, spare, cubics, cubics[1:]):
            left = (t + offset >> low) - high
            if left > 0:                                                       # a mask in C: c is a share
                got = [a + b for a, b in zip(moments(G(left, bits - s), below), rest)]
            else:
                got = moments(minus(G(left + (1 << width), bits - s), wrap), above)
            part += times(minus(p, n), got)
        total += part
    return total % WIDE


def equality(roots, bits, alpha):
    """The body of keys of an equality: corrections of seeds and control bits, and a last word."""
    seed, control, body = list(roots), [0, 1], []
    for i in reversed(range(bits)):
        off, turns, seed, control = go_down(seed, control, alpha >> i & 1)
        body.append((off, turns))
    return body, send((control[0] - control[1]) * (1 - seed[0] + seed[1]), MASKS)


def equal_at(holder, root, body, last, point):
    """What a holder has of [alpha = point]; nobody speaks."""
    seed, control = root, holder
    for i, (off, turns) in enumerate(body):
        bit = point >> len(body) - 1 - i & 1
        (seed, own), correct = child(seed, bit), control
        seed, control = seed ^ correct * off, own ^ correct & turns[bit]
    return (seed + control * last) * (1, -1)[holder]


def bit_keys(roots, bits, alpha):
    """The body of keys whose payload is a bit, the last LEAF levels of which are one block: runtime/party/bit_key.c. The
    control bits that child() makes are one bit of a hash; what a turn to the right is worth is another one of it."""
    seed, control, body = list(roots), [0, 1], []
    for i in reversed(range(LEAF, bits)):
        bit = alpha >> i & 1
        worth = send(worth_bit(seed[0]) ^ worth_bit(seed[1]) ^ bit ^ 1, MASKS)
        off, turns, seed, control = go_down(seed, control, bit)
        body.append((off, turns, worth))
    ones = sum(1 << q for q in range(1 << LEAF) if q >= alpha % (1 << LEAF))
    return body, send(hashed(seed[0], 2) ^ hashed(seed[1], 2) ^ ones, MASKS)


def worth_bit(seed):
    return hashed(seed, 3) & 1


def bit_at(holder, root, body, leaf, bits, q, low):
    """What a holder has of [alpha <= q]; where low is LEAF at least, of [alpha >> low < q >> low]. Nobody speaks."""
    seed, control, share = root, holder, 0
    for i, (off, turns, worth) in enumerate(body[:bits - max(low, LEAF)]):
        bit = q >> bits - 1 - i & 1
        share ^= bit & (worth_bit(seed) ^ control & worth)
        (seed, own), correct = child(seed, bit), control
        seed, control = seed ^ correct * off, own ^ correct & turns[bit]
    return share if low >= LEAF else share ^ (hashed(seed, 2) ^ control * leaf) >> q % (1 << LEAF) & 1


def thresholds(c, v, bits, numbers):
    """[x < t] of each number, x = c + v mod 2^(bits + 1): split bits, opened under rho. Masks are streams that S shares
    with L and with R; S itself receives nothing."""
    top, alpha = v >> bits & 1, v % (1 << bits)
    roots = [rng.getrandbits(127), rng.getrandbits(127)]                       # streams of S and L, of S and R
    body, leaf = bit_keys(roots, bits, alpha)
    result = []
    for t in numbers:
        s = (t - c - 1) % (2 << bits)
        mask = [rng.getrandbits(1), rng.getrandbits(1)]                        # of S and L, of S and R
        share = [bit_at(h, roots[h], body, leaf, bits, s % (1 << bits), 0) ^ (s >> bits & (h == 0)) for h in (0, 1)]
        delta = share[0] ^ mask[0] ^ share[1] ^ mask[1]                        # opened between L and R
        result.append(delta ^ (mask[0] ^ mask[1] ^ top))                       # S knows the second: rho
    return result


def check_bits():
    for bits in (1, 3, 4, 6):
        for alpha in range(1 << bits):
            roots = [rng.getrandbits(127), rng.getrandbits(127)]
            body, leaf = bit_keys(roots, bits, alpha)
            for q in range(1 << bits):
                for low in range(bits + 1):
                    got = bit_at(0, roots[0], body, leaf, bits, q, low) ^ bit_at(1, roots[1], body, leaf, bits, q, low)
                    assert got == (alpha >> low < q >> low if low >= LEAF else alpha <= q), (bits, alpha, q, low)
    for _ in range(300):
        bits = rng.choice((5, 9))
        x, v = rng.randrange(1 << bits - 1), rng.getrandbits(bits + 1)
        numbers = [rng.randrange(1 << bits - 1) for _ in range(6)] + [x, x + 1]
        assert thresholds((x - v) % (2 << bits), v, bits, numbers) == [x < t for t in numbers]


def check_equality():
    for bits in (1, 3, 7):
        for alpha in range(1 << bits):
            roots = [rng.getrandbits(127), rng.getrandbits(127)]
            body, last = equality(roots, bits, alpha)
            for q in range(1 << bits):
                assert sum(equal_at(b, roots[b], body, last, q) for b in (0, 1)) == (q == alpha)


def check_keys():
    for bits in (1, 4, 6):
        for alpha in range(1 << bits):
            roots, payload = [rng.getrandbits(127), rng.getrandbits(127)], [1, alpha, 0, rng.getrandbits(128)]
            body = make(roots, bits, alpha, payload)
            for q in range(1 << bits):
                for depth in range(1, bits + 1):
                    drop = bits - depth
                    got = [sum(x) % WIDE for x in zip(*(at(b, roots[b], bits, body, q, depth) for b in (0, 1)))]
                    assert got == [p if alpha >> drop < q >> drop else 0 for p in payload]


def check_curve():
    thresholds = [40, 90, 200, 450, 700]
    cubics = [[rng.randrange(-1 << 90, 1 << 90) for _ in range(4)] for _ in range(len(thresholds) + 1)]
    for low, spare in ((0, [0] * 5), (2, [0, 0, 1, 2, 2])):
        for _ in range(400):
            x, v = rng.choice([rng.randrange(1000), rng.choice(thresholds) - rng.randrange(2)]), rng.getrandbits(M)
            got = curve((x - v) % (1 << M), v, low, thresholds, spare, cubics)
            near = [p for p, begin, end, s, e in zip(cubics, [-9] + thresholds, thresholds + [1 << M], [0] + spare, spare + [0])
                    if begin - (2 << low + s) * (low > 0) <= x < end + (2 << low + e) * (low > 0)]
            assert got in [sum(a * x ** k for k, a in enumerate(p)) % WIDE for p in near], (x, low)


check_keys()
check_bits()
check_equality()
check_curve()
print("comparison and equality keys: every point of small ranges; curves between thresholds, wrapped and not; bits")
