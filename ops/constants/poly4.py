"""The piece of GELU's variant poly4 in ops/gelu.c and experiments/finetune/approximations.py: the polynomial of degree 4 in
a = |x| that is nearest to GELU(a) - a over a = 0, 0.001, ... 2.999 in the mean square. The numbers in the sources were
published; they are this fit to 4e-7."""
import re
import sys
from math import erf, sqrt

DEGREE, STEP, POINTS = 4, 0.001, 3000


def solve(matrix, right):
    """Gaussian elimination with pivots."""
    n = len(right)
    rows = [row + [r] for row, r in zip(matrix, right)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    solution = [0.0] * n
    for i in reversed(range(n)):
        solution[i] = (rows[i][n] - sum(rows[i][k] * solution[k] for k in range(i + 1, n))) / rows[i][i]
    return solution


def fit():
    points = [i * STEP for i in range(POINTS)]
    values = [a * 0.5 * (1 + erf(a / sqrt(2))) - a for a in points]
    moment = [sum(a**k for a in points) for k in range(2 * DEGREE + 1)]
    right = [sum(v * a**k for a, v in zip(points, values)) for k in range(DEGREE + 1)]
    return solve([[moment[i + k] for k in range(DEGREE + 1)] for i in range(DEGREE + 1)], right)


if __name__ == "__main__":
    made = fit()
    print(" ".join(f"{c:.8f}" for c in made))
    if sys.argv[2:] == ["check"]:
        number = r"(-?\d+\.\d+)"
        pattern = rf"{number} \+ a \* \({number} \+ a \* \({number} \+ a \* \({number} \+ a \* {number}\)\)\)"
        with open(sys.argv[1], encoding="utf-8") as file:
            there = [float(c) for c in re.search(pattern, file.read()).groups()]
        if max(abs(a - b) for a, b in zip(made, there)) > 1e-6:
            sys.exit(f"{sys.argv[1]} has {there}")
