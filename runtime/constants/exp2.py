"""The polynomial of 2^u in runtime/kernels/exp2.h: interpolation at the Chebyshev points of [0, 1), in 30 bits."""
import re
import sys
from decimal import Decimal, getcontext
from fractions import Fraction
from math import cos, pi

POINTS, BITS = 6, 30


def coefficients():
    getcontext().prec = 50
    x = [Fraction((1 - cos((2 * k + 1) * pi / (2 * POINTS))) / 2) for k in range(POINTS)]
    divided = [Fraction(Decimal(2) ** (Decimal(t.numerator) / Decimal(t.denominator))) for t in x]
    for j in range(1, POINTS):
        for i in range(POINTS - 1, j - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (x[i] - x[i - j])
    c = [Fraction(0)] * POINTS
    for k in reversed(range(POINTS)):  # c = c (u - x_k) + divided_k
        c = [(c[i - 1] if i else 0) - x[k] * c[i] for i in range(POINTS)]
        c[0] += divided[k]
    return [round(value * 2**BITS) for value in c]


if __name__ == "__main__":
    table = ", ".join(map(str, coefficients()))
    print(table)
    if sys.argv[2:] == ["check"]:
        there = re.search(r"c\[6\] = \{(.*?)\}", open(sys.argv[1]).read()).group(1)
        if there != table:
            sys.exit(f"{sys.argv[1]} has {there}")
