"""What a substituted op starts from: parameters that bring it as close to the original as its form allows, fitted to a
few examples of the training set without labels."""

import math

import torch

import data
from approximations import gelu_exact, softmax_exact, softmax_relu

SHIFTS = [0.5 * i for i in range(17)]  # of log probabilities
STEPS = [0.1 * i for i in range(-5, 6)]  # of inputs of the activation function


def observe(model, module, batches, pad, look):
    """Calls look(input of the module, mask) for each batch."""
    current = {}
    hook = module.register_forward_pre_hook(lambda _, inputs: look(inputs[0], current["mask"]))
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

    def look(x, mask):
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


def fit_scale(model, layernorm, batches, pad):
    """Scales gamma of a LayerNorm that will no longer divide: per channel the least-squares factor from the centred to
    the normalised inputs."""
    sums = torch.zeros(2, layernorm.weight.numel())

    def look(x, mask):
        centred = x - x.mean(-1, keepdim=True)
        normalised = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=layernorm.eps)
        sums[0] += (centred * normalised * mask[:, :, None]).sum((0, 1))
        sums[1] += (centred * centred * mask[:, :, None]).sum((0, 1))

    observe(model, layernorm, batches, pad, look)
    with torch.no_grad():
        layernorm.weight *= sums[0] / sums[1].clamp_min(1e-9)


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

    def look(x, mask):
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

    def compare(x, mask):
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
