#!/usr/bin/env python3
"""Executable reference of what truncation makes of rounding errors: see runtime/PROTOCOLS.md, "Products" and "Reshares".

z mod 2^l is the sum of parts of which all but one are uniform. It is divided by 2^d into Z_2^(l-d) in three ways: two
parts are rounded (c and v of the 2+1 view), the three parts of a product, or the four of a reshare, the two masked
messages and their two masks. All floors are known to their holders alone, and what wraps vanishes.

Needs numpy. Exits with 77 (skipped) without it.
"""
import math
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

U = np.uint64
rng = np.random.default_rng(5)


def errors(z, parts, l, d):
    """The error of the result, in units of it: the constant that the mean asks for goes to the last part."""
    ring = U((1 << l) - 1)
    part = [rng.integers(0, 1 << 63, len(z), dtype=U) & ring for _ in range(parts - 1)]
    constant = U((parts << (d - 1)) - 1)  # half a unit for each floor; for two exactly one less a bit
    part.append((z.astype(U) + constant - sum(part)) & ring)
    result = sum(p >> U(d) for p in part) & U((1 << (l - d)) - 1)
    signed = result.astype(np.int64)
    signed[signed >= 1 << (l - d - 1)] -= 1 << (l - d)
    return signed - z / 2.0 ** d


def main():
    n = 400000
    for l, d in ((48, 16), (63, 31), (61, 42)):
        most = 1 << (min(l, 52) - 2)
        for kind, z in (("any", rng.integers(-most, most, n)), ("whole", rng.integers(-most >> d, most >> d, n) << d)):
            for parts in (2, 3, 4):
                e = errors(z, parts, l, d)
                deviation = {2: math.sqrt(1 / 6), 3: 0.5, 4: math.sqrt(1 / 3)}[parts]
                assert abs(e.mean()) < 5 * deviation / math.sqrt(n) + 2.0 ** -d, (l, d, kind, parts, e.mean())
                assert np.abs(e).max() <= parts / 2, (l, d, kind, parts, np.abs(e).max())
                if kind == "any":
                    assert abs(e.std() - deviation) < 0.01, (l, d, parts, e.std())
                if kind == "whole":  # exact with two parts, a unit off now and then with more
                    assert (e == 0).all() if parts == 2 else 0.6 < (e == 0).mean() < 0.8, (parts, (e == 0).mean())
    print("two, three and four rounded parts: deviations 0.41, 0.50, 0.58 units, at most 1, 1.5 and 2, mean zero")


main()
