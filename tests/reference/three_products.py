#!/usr/bin/env python3
"""Executable reference of what runtime/PROTOCOLS.md claims:

1. A product with a weight that one party put in takes three ring products, one for each party. Every value a party
   computes is made from the components that it holds.
2. So do products where no component is zero, in a ring of one bit more.
3. The blocks of a comparison: the costs that the document states, and that the tree computes [a > t].

Needs numpy. Exits with 77 (skipped) without it.
"""
import itertools
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

U = np.uint64
rng = np.random.default_rng(7)


def uniform(*shape):
    return rng.integers(0, 1 << 63, shape, dtype=np.uint64) * U(2) + rng.integers(0, 2, shape, dtype=np.uint64)


def matmul(a, b):
    return (a[:, :, None] * b[None, :, :]).sum(1, dtype=np.uint64)


def three_products(owner):
    x, y = uniform(5, 7), uniform(7, 4)
    xs = [uniform(5, 7), uniform(5, 7), None]
    xs[2] = x - xs[0] - xs[1]
    ys = [None] * 3
    ys[owner] = uniform(7, 4)
    ys[(owner + 1) % 3] = y - ys[owner]
    ys[(owner + 2) % 3] = np.zeros((7, 4), U)
    held = [{i: (xs[i], ys[i]), (i + 1) % 3: (xs[(i + 1) % 3], ys[(i + 1) % 3])} for i in range(3)]
    o, a, b = owner, (owner + 1) % 3, (owner + 2) % 3  # b = owner - 1
    z = {}
    z[o] = matmul(held[o][o][0] + held[o][a][0], held[o][o][1] + held[o][a][1])
    z[b] = matmul(held[b][b][0], held[b][o][1])
    z[a] = matmul(held[a][b][0], held[a][a][1])
    assert np.array_equal(z[0] + z[1] + z[2], matmul(x, y))


def three_products_of_any(bits):
    """No component is zero: the three products add up to twice x y mod 2^(bits+1), and each party halves its part."""
    ring, double = U((1 << bits) - 1), U((1 << (bits + 1)) - 1)
    x, y = uniform(5, 7) & ring, uniform(7, 4) & ring
    xs, ys = [uniform(5, 7), uniform(5, 7), None], [uniform(7, 4), uniform(7, 4), None]
    xs[2], ys[2] = x - xs[0] - xs[1], y - ys[0] - ys[1]
    xs, ys = [c & ring for c in xs], [c & ring for c in ys]
    z = [  # party i from components i and i + 1
        matmul(U(2) * (xs[0] - xs[1]), ys[1] - ys[0]),
        matmul(U(2) * xs[1] + xs[2], U(2) * ys[1] + ys[2]),
        matmul(xs[2] + U(2) * xs[0], ys[2] + U(2) * ys[0]),
    ]
    product = matmul(x, y)
    assert np.array_equal((z[0] + z[1] + z[2]) & double, U(2) * product & double)
    masks = [uniform(5, 4), uniform(5, 4)]
    z = [z[0] + masks[0], z[1] + masks[1], z[2] - masks[0] - masks[1]]
    less = (product - sum((part & double) >> U(1) for part in z)) & ring
    assert less.max() <= 1, less


def blocks(width, leaves):
    return [width // leaves + (j < width % leaves) for j in range(leaves)]


def group_cost(blocks, equal):
    """Dealt products of masks, and opened wires, of a group of blocks combined in one exchange."""
    sets = 1 << (blocks - 1)
    products = sets - blocks + 2 * sets - 1 - blocks + (sets - 1 if equal else 0)
    return products, 2 * (blocks - 1) + equal


def groups(nodes, arity):
    """The sizes of a level's groups; the first holds the least significant blocks, and its equality is not wanted."""
    return [(min(arity, nodes - j), j > 0) for j in range(0, nodes, arity)]


def tree(leaves, levels, arity):
    """The groups of all levels; the last level has one. None if there is no such tree."""
    made, nodes = [], leaves
    for level in range(levels):
        width = arity if level + 1 < levels else nodes
        if nodes < 2 or width > 6:
            return None
        made.append(groups(nodes, width))
        nodes = len(made[-1])
    return made if nodes == 1 else None


def cost(bits, levels, numbers):
    """Bits an element: unit vectors; for each number a dealt bit a product, two an opened wire, two for the result."""
    each = [group_cost(*g) for level in levels for g in level if g[0] > 1]
    return sum((1 << b) - 1 for b in bits) + numbers * (sum(p + 2 * w for p, w in each) + 2)


def best_tree(width, numbers):
    found = []
    for leaves in range(1, 10):
        if width > 6 * leaves:
            continue
        for levels, arity in itertools.product(range(4), (2, 3)):
            made = tree(leaves, levels, arity)
            if made is not None:
                bits = blocks(width, leaves)
                found.append((cost(bits, made, numbers) * 1.25 ** levels, levels, bits, made))
    return min(found)[2:]


def greater(a, t, bits, levels):
    nodes = []
    for b in bits:
        mask = (1 << b) - 1
        nodes.append((a & mask > t & mask, a & mask == t & mask))
        a, t = a >> b, t >> b
    for level in levels:
        above, at = [], 0
        for size, _ in level:
            group = nodes[at:at + size]
            at += size
            gt = any(group[j][0] and all(n[1] for n in group[j + 1:]) for j in range(size))
            above.append((gt, all(n[1] for n in group)))
        nodes = above
    return nodes[0][0]


for owner in range(3):
    for _ in range(20):
        three_products(owner)
for bits in (8, 21, 32, 48, 63):
    for _ in range(20):
        three_products_of_any(bits)
for width, numbers, stated in ((23, 1, 106), (30, 1, 151), (21, 2, 138), (21, 1, 95), (14, 1, 73)):
    bits, levels = best_tree(width, numbers)
    assert cost(bits, levels, numbers) == stated, (width, bits, levels, cost(bits, levels, numbers))
    for _ in range(2000):
        a, t = (int(v) for v in rng.integers(0, 1 << width, 2))
        assert greater(a, t, bits, levels) == (a > t) and not greater(a, a, bits, levels)
print("three products and comparison trees agree with plain arithmetic")
