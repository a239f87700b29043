#!/usr/bin/env python3
"""Executable reference of ceilings: each row of a matrix less a number not far above its largest element, in rounds that
do not depend on its length. Every value is made from what its party holds; see runtime/steps/ceiling.c, parities.c.

Also checks what the docstrings say of the sets of columns: which of them can have all parities zero.
"""
import itertools
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

U = np.uint64
rng = np.random.default_rng(17)
SEGMENT, SAMPLES, BUCKETS, PARITIES = 14, 8, 24, 40                            # of 12 fractional bits, 4 units


def random(shape, bits=64):
    return rng.integers(0, 1 << 64, shape, dtype=U) & U((1 << bits) - 1 if bits < 64 else 0xFFFFFFFFFFFFFFFF)


def send(receiver, value, mask_key):
    """Every message is masked by a stream of a key that its receiver does not hold."""
    assert (receiver, mask_key) in (("R", "SL"), ("L", "SR")), "the receiver can make this mask"
    return value.copy()


def column_sets(columns):
    """PARITIES bits for each column: 1, and the bits of a^c, a^3c, a^5c in GF(2^13)."""
    def times(x):
        return (x << 1) ^ (0x201B if x >> 12 else 0)
    powers, sets = [1, 1, 1], []
    for _ in range(columns):
        word = 1 | powers[0] << 1 | powers[1] << 14 | powers[2] << 27
        sets.append([word >> k & 1 for k in range(PARITIES)])
        for k in range(3):
            for _ in range(2 * k + 1):
                powers[k] = times(powers[k])
    return np.array(sets, dtype=np.uint8)


def open_wires(share):
    """L and R open XOR shares under masks that S knows: the opened bits, and the masks by side."""
    mask = {side: random(share["L"].shape, 1).astype(np.uint8) for side in "LR"}   # streams of SL, of SR
    return send("R", share["L"] ^ mask["L"], "SL") ^ send("L", share["R"] ^ mask["R"], "SR"), mask


def groups(size_of, share):
    """ANDs of groups of wires (axis 0), in one exchange: shares again."""
    opened, mask = open_wires(share)
    out, at = {"L": [], "R": []}, 0
    for size in size_of:
        wires = range(at, at + size)
        at += size
        for side in "LR":
            out[side].append(np.zeros(opened.shape[1:], np.uint8))
        for k in range(size + 1):
            for chosen in itertools.combinations(wires, k):
                factor = np.bitwise_and.reduce([np.ones(opened.shape[1:], np.uint8)]
                                               + [opened[w] for w in wires if w not in chosen])
                if k == 0:
                    of = {"L": np.ones_like(factor), "R": np.zeros_like(factor)}
                elif k == 1:
                    of = {side: mask[side][chosen[0]] for side in "LR"}
                else:                                                          # S deals it
                    product = np.bitwise_and.reduce([mask["L"][w] ^ mask["R"][w] for w in chosen])
                    left = random(product.shape, 1).astype(np.uint8)           # a stream of SL
                    of = {"L": left, "R": send("R", product ^ left, "SL")}
                for side in "LR":
                    out[side][-1] = out[side][-1] ^ (factor & of[side])
    return {side: np.array(out[side]) for side in "LR"}


def last_group(share, bits):
    """The AND of all wires, as additive shares mod 2^bits."""
    opened, mask = open_wires(share)
    wires, modulus = range(len(opened)), 1 << bits
    out = {side: np.zeros(opened.shape[1:], np.int64) for side in "LR"}
    for k in range(len(opened) + 1):
        for chosen in itertools.combinations(wires, k):
            factor = np.ones(opened.shape[1:], np.int64)
            for w in wires:
                factor *= 1 - 2 * opened[w].astype(np.int64) if w in chosen else opened[w].astype(np.int64)
            product = np.bitwise_and.reduce([np.ones(opened.shape[1:], np.uint8)] + [mask["L"][w] ^ mask["R"][w] for w in chosen])
            left = random(product.shape, bits).astype(np.int64)                # a stream of SL
            of = {"L": left, "R": send("R", product - left, "SL")} if k else {"L": product, "R": 0 * left}
            for side in "LR":
                out[side] = (out[side] + factor * of[side]) % modulus
    return out


def below_ceiling(x, log):
    """x less a number for each row, mod 2^(SEGMENT + log), for shares x = c + v of S's components v = v_L + v_R."""
    rows, n = x.shape
    modulus, vectors = U((1 << SEGMENT + log) - 1), 1 << log
    component = {"SL": random(x.shape), "SR": random(x.shape)}                 # L holds the first, R the second, S both
    c = x.astype(U) - component["SL"] - component["SR"]                        # L and R hold it
    sample = [k * n // SAMPLES for k in range(SAMPLES)]
    wide = U((1 << SEGMENT + log + 3) - 1)
    r = {key: (value[:, sample].sum(1, dtype=U) & wide) >> U(3) for key, value in {**component, "c": c}.items()}
    ch = (((c - r["c"][:, None] - U(BUCKETS << SEGMENT)) & modulus) >> U(SEGMENT)).astype(int)
    vh = (((component["SL"] + component["SR"] - r["SL"][:, None] - r["SR"][:, None]) & modulus) >> U(SEGMENT)).astype(int)
    left = random((rows, n, vectors), 1).astype(np.uint8)                      # a stream of SL
    right = left.copy()
    np.put_along_axis(right, vh[:, :, None], 1 ^ np.take_along_axis(right, vh[:, :, None], 2), 2)
    right = send("R", right, "SL")
    sets, share = column_sets(n), {}
    for side, vector, one in (("L", left, 1), ("R", right, 0)):
        index = (np.arange(vectors - BUCKETS, vectors)[None, None] - ch[:, :, None]) % vectors
        highest = np.take_along_axis(vector, index, 2)                         # [i = j], turned by ch
        parity = np.einsum("rnb,np->prb", highest.astype(int), sets.astype(int)) & 1
        share[side] = ((np.cumsum(parity[:, :, ::-1], 2)[:, :, ::-1] & 1) ^ one).astype(np.uint8)
    share = groups([3] * 8 + [4] * 4, share)
    share = groups([4] * 3, share)
    none = last_group(share, log)
    part = {side: ((BUCKETS + 1) * (side == "L") - none[side].sum(1)) % vectors for side in "LR"}
    mu = {"SL": random(rows, 8).astype(np.int64), "SR": random(rows, 8).astype(np.int64)}
    common = send("R", part["L"] - mu["SL"], "SL") + send("L", part["R"] - mu["SR"], "SR")
    in_units = lambda key, buckets: r[key] + (buckets.astype(U) << U(SEGMENT))
    ceiling = in_units("SL", mu["SL"]) + in_units("SR", mu["SR"]) + in_units("c", common)
    return (x.astype(U) - ceiling[:, None]) & modulus


def check_rows():
    for log in (6, 7):
        for rows, n in ((300, 1), (300, 2), (200, 9), (100, 128), (20, 500)):
            low = -(4 << log) + 4 * BUCKETS + 8
            x = rng.normal(0, rng.uniform(0.1, 20, (rows, 1)), (rows, n)).clip(low / 2, 40)
            x[::3] = np.where(rng.random((len(x[::3]), n)) < 0.3, x[::3, :1], x[::3])   # equal ones
            x = np.floor(x * 4096).astype(np.int64)
            below = below_ceiling(x, log).astype(np.int64)
            highest = np.take_along_axis(below, x.argmax(1)[:, None], 1)[:, 0] - (1 << SEGMENT + log)
            assert (highest < 0).all() and (highest >= -2 * (1 << SEGMENT) - 3).all(), (log, n, highest.min(), highest.max())
            assert ((below - below[:, :1] - x + x[:, :1]) % (1 << SEGMENT + log) == 0).all()


def check_sets():
    columns = 8191
    words = (column_sets(columns).astype(np.uint64) << np.arange(PARITIES, dtype=U)).sum(1, dtype=U)
    assert len(set(words.tolist())) == columns                                 # no two columns, and a's powers are all
    prefix = np.bitwise_xor.accumulate(np.concatenate([[U(0)], words]))
    ends = {}
    for at, word in enumerate(prefix.tolist()):                                # a run of zero parity begins and ends alike
        ends.setdefault(word, []).append(at)
    assert all(len(v) == 1 or v == [0, columns] for v in ends.values())
    few = words[:220]                                                          # no four, and no three with a fourth
    pairs = np.array([few[i] ^ few[j] for i, j in itertools.combinations(range(len(few)), 2)])
    assert len(np.unique(pairs)) == len(pairs)
    triples = np.concatenate([words[i] ^ words[j] ^ words[j + 1:60] for i, j in itertools.combinations(range(60), 2)])
    assert len(np.unique(triples)) == len(triples)                             # nor six


check_rows()
check_sets()
print("rows of 1 to 500 end below zero by two buckets at most; runs of columns and few columns have parities")
