"""Polynomials of ops/split.h in ops/gelu.c and ops/logistic.c: their integers are a choice, the offsets are fitted to it.

Fits the six offsets again, to the smallest largest error, by Gauss-Newton steps under weights that grow where the error
is large (Lawson 1961), and prints them with the error before and after. `check` fails where the sources' numbers are
worse than what the fit finds by more than a hundredth, or than what the source says, or products leave their 16 bits."""
import math
import re
import sys

FITTED = (("offset",), ("a", 1), ("b", 1), ("c", 2), ("d", 3), ("e", 3))
SIGMOID = lambda x: 1 / (1 + math.exp(-x))
# name in the source: file, the even function, the weight of its error, the largest error that the source states
PARTS = {
    "erf_part": ("gelu.c", lambda x: x * math.erf(x / math.sqrt(2)) / 2, lambda x: 1, 1.1e-4),
    "sigmoid_part": ("logistic.c", lambda x: math.tanh(x / 2) / 2 / x, lambda x: x, 5.3e-4),
    "silu_part": ("logistic.c", lambda x: x * (SIGMOID(x) - 0.5), lambda x: 1, 2.9e-3),
}


def read(path, name):
    """The fields of a tf_even, numbers and lists."""
    text = re.search(r"tf_even %s = \{(.*?)\};" % name, open(path).read(), re.S).group(1)
    fields = {}
    for field, many, one in re.findall(r"\.(\w+) = (?:\{([^}]*)\}|([-\d.e]+))", text):
        fields[field] = [float(x) for x in many.split(",")] if many else float(one)
    return fields


def get(even, at):
    return even[at[0]] if len(at) == 1 else even[at[0]][at[1]]


def put(even, at, value):
    if len(at) == 1:
        even[at[0]] = value
    else:
        even[at[0]][at[1]] = value


def stages(even, x):
    """The products that are kept in 16 bits, and the value."""
    s = x * x / 2 ** even["scale"] - even["offset"]
    w = s * s
    a, b, c, d, e = (even[k] for k in "abcde")
    z = (w + a[0] * s + a[1]) * (w + b[0] * s + b[1])
    top = (z + c[0] * s + c[1] * w + c[2]) * (d[0] * s + d[1] * w + d[2] * z + d[3]) / 2 ** even["point"]
    return {"w": w, "z": z, "top": top}, top + e[0] * s + e[1] * w + e[2] * z + e[3]


def polynomial(even, x):
    return stages(even, x)[1]


def middles(even):
    """The middle of each product's values for |x| < T and a little past it, where a comparison may still let x through,
    and the part of the 16 bits that the fullest takes."""
    points = [(even["tail"] + 1 / 128) * i / 2000 for i in range(2001)]
    kept = [stages(even, x)[0] for x in points]
    low, high = ({f: extreme(k[f] for k in kept) for f in kept[0]} for extreme in (min, max))
    return {f: (low[f] + high[f]) / 2 for f in low}, max(
        max(high[f] - even[f][1], even[f][1] - low[f]) / 2 ** (14 - even[f][0]) for f in low)


def solve(m, v):
    """m x = v by elimination with pivots."""
    n = len(v)
    m = [row[:] + [v[i]] for i, row in enumerate(m)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[p] = m[p], m[i]
        for r in range(i + 1, n):
            f = m[r][i] / m[i][i]
            m[r] = [y - f * x for x, y in zip(m[i], m[r])]
    for i in reversed(range(n)):
        m[i] = [y / m[i][i] for y in m[i]]
        for r in range(i):
            m[r] = [y - m[r][i] * x for x, y in zip(m[i], m[r])]
    return [row[n] for row in m]


def errors(even, points, target, weight):
    return [weight(x) * (polynomial(even, x) - target(x)) for x in points]


def largest(even, points, target, weight):
    return max(abs(e) for e in errors(even, points, target, weight))


def fit(even, points, target, weight, steps=60):
    """The best offsets met on the way."""
    even = {k: v[:] if isinstance(v, list) else v for k, v in even.items()}
    best = ([get(even, at) for at in FITTED], largest(even, points, target, weight))
    lawson = [1.0] * len(points)
    for _ in range(steps):
        now = errors(even, points, target, weight)
        columns = []
        for at in FITTED:
            value, step = get(even, at), 1e-6
            put(even, at, value + step)
            columns.append([(y - x) / step for x, y in zip(now, errors(even, points, target, weight))])
            put(even, at, value)
        n = len(FITTED)
        normal = [[sum(l * p * q for l, p, q in zip(lawson, columns[i], columns[j])) for j in range(n)] for i in range(n)]
        for i in range(n):
            normal[i][i] *= 1 + 1e-6
        right = [-sum(l * p * q for l, p, q in zip(lawson, columns[i], now)) for i in range(n)]
        change = solve(normal, right)
        before = [get(even, at) for at in FITTED]
        for at, value, by in zip(FITTED, before, change):
            put(even, at, value + max(-0.05, min(0.05, by)))
        size = largest(even, points, target, weight)
        if size < best[1]:
            best = ([get(even, at) for at in FITTED], size)
        now = errors(even, points, target, weight)
        top = max(abs(e) for e in now)
        lawson = [l * (abs(e) / top) ** 0.5 + 1e-9 for l, e in zip(lawson, now)]
        total = sum(lawson) / len(lawson)
        lawson = [l / total for l in lawson]
    return best


def main(ops, check):
    failed = False
    for name, (file, target, weight, stated) in PARTS.items():
        even = read(f"{ops}/{file}", name)
        points = [even["tail"] * (i + 0.5) / 400 for i in range(400)]
        there = largest(even, points, target, weight)
        offsets, found = fit(even, points, target, weight)
        fitted = {k: v[:] if isinstance(v, list) else v for k, v in even.items()}
        for at, value in zip(FITTED, offsets):
            put(fitted, at, value)
        full = middles(even)[1]
        for f, value in middles(fitted)[0].items():
            fitted[f][1] = value
        print(name, "room %.4f; fitted again %.4f:" % (full, middles(fitted)[1]), " ".join("%s=%.4g" % i for i in middles(fitted)[0].items()))
        print(name, "error %.3g; fitted again %.3g:" % (there, found), " ".join("%s=%.7g" % ("".join(map(str, at)), v) for at, v in zip(FITTED, offsets)))
        if check and (there > 1.01 * found or there > 1.03 * stated or full > 1):
            print(f"{ops}/{file}: {name} has an error of {there:.4g} (room {full:.3f}), where {min(found, stated):.4g} can be had or is stated")
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:] == ["check"]))
