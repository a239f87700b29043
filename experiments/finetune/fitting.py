"""What a substituted op starts from: parameters that bring it as close to the original as its form allows, fitted to a
few examples of the training set without labels."""

import math

import torch

import data
from approximations import gelu_exact, softmax_exact, softmax_relu

SHIFTS = [0.5 * i for i in range(17)]  # of log probabilities
RIDGE = 1e-3  # of the mean square of an input
STEPS = [0.1 * i for i in range(-5, 6)]  # of inputs of the activation function


def observe(model, module, batches, pad, look):
    """Calls look(mask, *inputs of the module) for each batch."""
    current = {}
    hook = module.register_forward_pre_hook(lambda _, inputs: look(current["mask"], *inputs))
    model.eval()
    with torch.no_grad():
        for batch in batches:
            ids, types, current["mask"], _ = data.tensors(batch, pad)
            model(ids, types, current["mask"])
    hook.remove()


def fit_activation(model, block, batches, pad):
    """For each unit the a, b and c with which a ReLU(x + c) + b is closest to GELU(x) in the mean square; c goes into
    the bias of the layer before, a and b go into the layer after."""
    dense, after = block.intermediate.dense, block.output.dense
    units = dense.bias.numel()
    count, gelu = 0, torch.zeros(2, units)
    relu = torch.zeros(3, len(STEPS), units)  # sums of r, r^2, r GELU

    def look(mask, x):
        nonlocal count
        y = torch.nn.functional.linear(x[mask > 0], dense.weight, dense.bias)
        g = gelu_exact(y)
        count += len(y)
        gelu.add_(torch.stack([g.sum(0), (g * g).sum(0)]))
        for i, step in enumerate(STEPS):
            r = torch.relu(y + step)
            relu[:, i] += torch.stack([r.sum(0), (r * r).sum(0), (r * g).sum(0)])

    observe(model, dense, batches, pad, look)
    (mean_g, square_g), (mean_r, square_r, product) = gelu / count, relu / count
    variance, covariance = square_r - mean_r**2, product - mean_r * mean_g
    silent = variance < 1e-7  # a unit that is never on keeps its weight
    a = torch.where(silent, torch.ones(()), covariance / variance.clamp_min(1e-7))
    error = square_g - mean_g**2 - 2 * a * covariance + a * a * variance
    best = error.argmin(0, keepdim=True)
    chosen = lambda values: values.gather(0, best)[0]
    with torch.no_grad():
        after.bias += after.weight @ chosen(mean_g - a * mean_r)
        after.weight *= chosen(a)
        dense.bias += torch.tensor(STEPS)[best[0]]


def normal_form(z, eps):
    """Rows less their means, over their deviations; and the deviations."""
    centred = z - z.mean(-1, keepdim=True)
    deviation = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return centred / deviation, deviation


def fit_residual(model, residual, batches, pad):
    """
    For a LayerNorm(dense(x) + y) that will no longer divide. One scale, the mean inverse deviation, goes into gamma. That
    serves most tokens, but [CLS] and [SEP] may have ten times the deviation of words; so dense gets the least-squares
    change (ridge regression on its inputs) after which dense(x) + y is as long as the scale wants it.
    """
    dense, layernorm = residual.dense, residual.LayerNorm
    inputs, outputs = [], []

    def look(mask, x, y, _):
        inputs.append(x[mask > 0])
        outputs.append((dense(x) + y)[mask > 0])

    observe(model, residual, batches, pad, look)
    x, z = torch.cat(inputs), torch.cat(outputs)
    normalised, deviation = normal_form(z, layernorm.eps)
    scale = (1 / deviation).mean()
    change = normalised / scale - (z - z.mean(-1, keepdim=True))
    mean_x, mean_change = x.mean(0), change.mean(0)
    x = x - mean_x
    gram = x.T @ x / len(x)
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    step = torch.linalg.solve(gram + ridge, x.T @ (change - mean_change) / len(x)).T
    with torch.no_grad():
        dense.weight += step
        dense.bias += mean_change - step @ mean_x
        layernorm.weight *= scale


def fit_embeddings(model, batches, pad):
    """The same for the embeddings' LayerNorm: word embeddings change, each by what it needs on average where it occurs; a
    word that does not occur is taken to stand at the average of the first positions."""
    embeddings = model.embeddings
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    types, layernorm = embeddings.token_type_embeddings.weight, embeddings.LayerNorm

    def needed(z, scale):
        normalised, deviation = normal_form(z, layernorm.eps)
        return normalised / (scale or (1 / deviation).mean()) - (z - z.mean(-1, keepdim=True)), (1 / deviation).mean()

    with torch.no_grad():
        change, scale = needed(words + positions[:32].mean(0) + types[0], None)
    total, count = torch.zeros_like(change), torch.zeros(len(words))

    def look(mask, ids, kinds):
        z = words[ids] + positions[: ids.shape[1]] + types[kinds]
        seen = ids[mask > 0]
        total.index_add_(0, seen, needed(z[mask > 0], scale)[0])
        count.index_add_(0, seen, torch.ones(len(seen)))

    observe(model, embeddings, batches, pad, look)
    with torch.no_grad():
        words += torch.where(count[:, None] > 0, total / count.clamp_min(1)[:, None], change)
        layernorm.weight *= scale


def fit_shift(model, block, batches, pad):
    """
    Chooses the bias of the keys for a ReLU in place of exp. That bias adds q b to all scores of a query: softmax does not
    notice it, while for a ReLU it is the threshold. With log p = s - log sum exp s, the wanted scores are log p + c, so
    that keys of at least e^-c remain: q b is fitted to c - log sum exp s by least squares for each head, and c chosen so
    that probabilities differ least.
    """
    heads, depth, part = model.heads, model.hidden // model.heads, block.attention.self
    gram, target, ones = torch.zeros(heads, depth, depth), torch.zeros(heads, depth), torch.zeros(heads, depth)

    def split(x):
        return x.view(*x.shape[:2], heads, depth).transpose(1, 2)

    def scores_of(x):
        query = split(part.query(x)) / math.sqrt(depth)
        return query, query @ split(part.key(x)).transpose(2, 3)

    def look(mask, x, _, __):
        query, scores = scores_of(x)
        total = torch.logsumexp(scores.masked_fill(mask[:, None, None, :] == 0, -math.inf), -1)
        query, total = query * mask[:, None, :, None], total * mask[:, None, :]
        gram.add_(torch.einsum("thid,thie->hde", query, query))
        target.sub_(torch.einsum("thid,thi->hd", query, total))
        ones.add_(query.sum((0, 2)))

    observe(model, block, batches, pad, look)
    ridge = 1e-3 * gram.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(depth)
    solve = lambda right: torch.linalg.solve(gram + ridge, right[:, :, None])[:, :, 0]
    base, slope = solve(target), solve(ones)
    error = torch.zeros(len(SHIFTS), heads)

    def compare(mask, x, _, __):
        query, scores = scores_of(x)
        keys = mask[:, None, None, :]
        wanted = softmax_exact(scores, keys)
        for i, shift in enumerate(SHIFTS):
            moved = scores + torch.einsum("thid,hd->thi", query, base + shift * slope)[..., None]
            difference = (softmax_relu(moved, keys) - wanted).abs().sum(-1) * mask[:, None, :]
            error[i] += difference.sum((0, 2))

    observe(model, block, batches, pad, compare)
    shift = torch.tensor(SHIFTS)[error.argmin(0)]
    with torch.no_grad():
        part.key.bias += (base + shift[:, None] * slope).flatten()


def of(fit, part):
    """A fit of part(model, block), on examples in batches."""
    return lambda model, block, examples, pad: fit(model, part(model, block), data.batches(examples, 32), pad)


def layer(model, block):
    return model.encoder.layer[block]


FITS = {
    ("gelu", "exact", "relu"): of(fit_activation, layer),
    ("softmax", "exact", "relu"): of(fit_shift, layer),
    ("layernorm1", "exact", "center"): of(fit_residual, lambda model, block: layer(model, block).attention.output),
    ("layernorm2", "exact", "center"): of(fit_residual, lambda model, block: layer(model, block).output),
    ("layernorm", "exact", "center"):
        lambda model, _, examples, pad: fit_embeddings(model, data.batches(examples, 32), pad),
}
