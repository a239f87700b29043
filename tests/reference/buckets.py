#!/usr/bin/env python3
"""Executable reference of a lookup of many tokens at once, with every value made from what its party holds; and the
probability that tokens find no buckets. See runtime/steps/lookup/embed_batch.c and buckets.h there.

L and R know the table's component c, S the tokens and its own component v; S shares key "SL" with L and "SR" with R.
Every message goes through send(), which insists on a mask that its receiver cannot make.
"""
import math
import pathlib
import re
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

U = np.uint64
CHOICES = 4
rng = np.random.default_rng(7)
lookup = pathlib.Path(__file__).resolve().parents[2] / "runtime/steps/lookup"
source = (lookup / "buckets.h").read_text() + (lookup / "buckets.c").read_text()
SPARE, MOVES, LEAST, GROUP = (int(re.search(rf"\b{name} = (\d+)", source)[1])
                              for name in ("SPARE", "MOVES", "TF_BATCH_LEAST", "TF_BATCH_GROUP"))


def quarter_of(n):
    return (n + 3) // 4 + SPARE


def random(*shape):
    return rng.integers(0, 1 << 64, shape, dtype=U)


def send(receiver, value, mask_key):
    assert (receiver, mask_key) in (("R", "SL"), ("L", "SR")), "the receiver can make this mask"
    return value.copy()


def choices_of(word, quarter):
    return [j * quarter + (((int(word) >> 16 * j & 0xffff) * quarter) >> 16) for j in range(CHOICES)]


def assign(words, buckets, moves):
    """The bucket of each of these distinct rows, or None; and how many moves that took."""
    label, inside, made = [0] * buckets, [None] * buckets, 0
    for item in range(len(words)):
        while item is not None:
            if made == moves:
                return None, made
            choice = choices_of(words[item], buckets // CHOICES)
            at = min(choice, key=lambda b: label[b])
            others = [label[b] for b in choice if b != at]
            assert label[at] <= min(others)
            label[at] = min(others) + 1
            inside[at], item = item, inside[at]
            made += 1
    return {item: b for b, item in enumerate(inside) if item is not None}, made


def look_up(c, v, token):
    """Additive shares at L and R, with S's streams, of the rows of c + v with these numbers."""
    rows, columns = c.shape
    n, quarter = len(token), quarter_of(len(token))
    buckets = CHOICES * quarter
    word = random(rows)                                                        # all know the hash
    distinct = sorted(set(token))
    place, _ = assign([word[t] for t in distinct], buckets, MOVES * n)
    bucket = {t: place[i] for i, t in enumerate(distinct)}
    # S deals a bit for each row and choice of its bucket
    left = rng.integers(0, 2, (CHOICES, rows), dtype=np.uint8)                 # stream of SL
    right, sign = left.copy(), np.ones(buckets, dtype=np.int64)
    for t, b in bucket.items():
        right[b // quarter, t] ^= 1
        sign[b] = 1 if left[b // quarter, t] else -1
    right = send("R", right, "SL")
    Q = np.zeros((n, buckets), dtype=np.int64)
    for p, t in enumerate(token):
        Q[p, bucket[t]] = sign[bucket[t]]
    Q = Q.astype(U)
    at_l = random(n, buckets)                                                  # stream of SL
    at_r = send("R", Q - at_l, "SL")

    def sums(bits):                                                            # L and R, each alone
        total = np.zeros((buckets, columns), dtype=U)
        for r in range(rows):
            for j, b in enumerate(choices_of(word[r], quarter)):
                if bits[j, r]:
                    total[b] += c[r]
        return total

    mu_l, mu_r = random(buckets, columns), random(buckets, columns)            # streams of SL and of SR
    M = send("R", sums(left) + mu_l, "SL") + send("L", mu_r - sums(right), "SR")
    own = np.zeros((buckets, columns), dtype=U)                                # S knows Q, v, mu
    for t, b in bucket.items():
        own[b] = v[t] * U(int(sign[b]) % (1 << 64))
    W = Q @ (own - mu_l - mu_r)
    w_l = random(n, columns)                                                   # stream of SL
    w_r = send("R", W - w_l, "SL")
    part_l, part_r = at_l @ M + w_l, at_r @ M + w_r
    r_l, r_r = random(n, columns), random(n, columns)                          # of SL, of SR; S holds both
    common = send("R", part_l - r_l, "SL") + send("L", part_r - r_r, "SR")
    return common, r_l, r_r


def most_within(n):
    """g[m] for m < n: no more than g[m] of n tokens have all their choices in m buckets, and the probability that this
    is wrong for any m. Of m buckets m_j lie in quarter j; a hash of 16 bits hits each with 1 / quarter or a little
    more: the sum over all such sets of buckets and of k tokens of the product of (m_j / quarter)^k."""
    quarter = quarter_of(n)
    hit = math.ceil(65536 / quarter) / 65536
    inside = np.arange(quarter + 1)
    sets = np.array([math.comb(quarter, int(x)) for x in inside], dtype=float)
    g, wrong = [n] * n, [0.0] * n
    for k in range(n, 0, -1):
        one = sets * np.minimum(inside * hit, 1) ** k
        two = np.convolve(one, one)
        chance = math.comb(n, k) * np.convolve(two, two)
        for m in range(n):
            if g[m] == k and chance[m] * n <= 2.0 ** -48:
                g[m], wrong[m] = k - 1, chance[m]
    return g, sum(wrong)


def bound_of_moves(n, g):
    """When a token goes to a bucket of label l > 0, it has all its choices in the set S_l of buckets of label l and
    more, whose tokens have all of theirs in S_(l-1): |S_l| + 1 <= g(|S_(l-1)|), and |S_1| < n. A bucket gets a token at
    label l once, and all that did are in S_l by the last such move. At label 0 n moves fill a free bucket."""
    moves, size = n, n - 1
    while size >= CHOICES:
        moves += size
        assert g[size] <= size, f"{n} tokens: {g[size]} may lie in {size} buckets"
        size = g[size] - 1
    return moves


def main():
    for n in range(LEAST, GROUP + 1):
        g, wrong = most_within(n)
        assert all(g[m] <= m for m in range(n)), f"{n} tokens have too few buckets"
        assert wrong <= 2.0 ** -48 and bound_of_moves(n, g) <= MOVES * n, (n, wrong, bound_of_moves(n, g))
    print(f"{LEAST} to {GROUP} tokens find buckets within {MOVES} moves each but for a probability of 2^-48")
    for n in (LEAST, 31, 64, GROUP):
        most = 0
        for _ in range(100):
            words = random(n)
            place, made = assign(words, CHOICES * quarter_of(n), MOVES * n)
            assert len(set(place.values())) == n
            assert all(b in choices_of(words[i], quarter_of(n)) for i, b in place.items())
            most = max(most, made)
        print(f"{n} tokens: {most} moves at most in 100 trials, {CHOICES * quarter_of(n)} buckets")
    for n in (LEAST, 40, 100):
        c, v = random(300, 5), random(300, 5)
        token = [int(t) for t in rng.integers(0, 300, n)]
        token[1] = token[n - 1] = token[0]
        common, r_l, r_r = look_up(c, v, token)
        assert np.array_equal(common + r_l + r_r, (c + v)[token])
    assert assign([0] * (CHOICES + 1), CHOICES * quarter_of(LEAST), MOVES * LEAST)[0] is None
    print("rows of many tokens at once: ok")


main()
