"""Tokens that are drawn behind proposals have the distribution that they have without.

Each row of a pass has Gumbel noise of its own. A token counts if all proposals before it are what was drawn at the rows
before, which depends on noise of these rows alone: so its own noise is fresh, and what it is drawn from is the
distribution after the tokens that it follows. Rows that do not count are forgotten with their noise. Simulated over a
chain of four tokens with proposals that depend on what was drawn, and compared with the exact chances of all
continuations by chi-square; and proposals that look at the noise are noticed, so that the test can fail.
"""
import itertools
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

rng = np.random.default_rng(5)
TOKENS, LENGTH, RUNS = 4, 4, 20000
logits = rng.normal(size=(TOKENS, TOKENS, TOKENS)) * 1.5                       # after the last two tokens
chance = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def generate(proposed, propose):
    text = [0, 0]
    while len(text) < 2 + LENGTH:
        noise = rng.gumbel(size=(1 + proposed, TOKENS))
        given = propose(text, noise, proposed)
        row = text[-2:] + given
        drawn = [int(np.argmax(logits[row[i], row[i + 1]] + noise[i])) for i in range(1 + proposed)]
        right = 0
        while right < proposed and given[right] == drawn[right]:
            right += 1
        text += drawn[:right + 1]
    return tuple(text[2:2 + LENGTH])


def statistic(proposed, propose):
    seen = {}
    for _ in range(RUNS):
        text = generate(proposed, propose)
        seen[text] = seen.get(text, 0) + 1
    sum_, expected_all = 0, itertools.product(range(TOKENS), repeat=LENGTH)
    for text in expected_all:
        full, p = (0, 0) + text, 1
        for i in range(LENGTH):
            p *= chance[full[i], full[i + 1], full[i + 2]]
        sum_ += (seen.get(text, 0) - RUNS * p) ** 2 / (RUNS * p)
    return sum_


def likely(text, noise, proposed):
    """The likeliest token, and then guesses that depend on the text."""
    return [int(np.argmax(chance[text[-2], text[-1]]))] + [(text[-1] + i) % TOKENS for i in range(1, proposed)]


def peeking(text, noise, proposed):
    """Proposes what makes token 0 come next, where the noise says that it will."""
    first = int(np.argmax(logits[text[-2], text[-1]] + noise[0]))
    second = int(np.argmax(logits[text[-1], first] + noise[1]))
    return [first if second == 0 else (first + 1) % TOKENS] + [0] * (proposed - 1)


degrees = TOKENS ** LENGTH - 1
limit = degrees + 5 * np.sqrt(2 * degrees)                                     # five deviations
for k in (1, 3):
    found = statistic(k, likely)
    assert found < limit, (k, found, limit)
    print(f"{k} proposed: chi-square {found:.0f} over {degrees} degrees of freedom, limit {limit:.0f}")
found = statistic(3, peeking)
assert found > limit, f"proposals that know the noise are not noticed: {found}"
print(f"proposals that know the noise: {found:.0f}")
