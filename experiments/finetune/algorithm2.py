"""
Algorithm 2 of "LLMs Can Understand Encrypted Prompt" (Liu and Liu 2023, arXiv:2305.18396): one kind of op after the
other is replaced, from the last block to the first; each time the blocks below are frozen and the rest is fine-tuned; a
replacement that costs more than two points of the original accuracy is taken back.

Beyond the paper: a block gets up to `rounds` slices before it is given up; a replaced LayerNorm starts from the scale
that fits the data best; after each stage all blocks train together once ("all"), which is kept if it did not harm; and
the last stage ends with the embedding's LayerNorm, which the paper's protocol leaves to the client.
"""

import copy
from dataclasses import dataclass

import torch

import data
from approximations import Approximations

TOLERANCE = 2.0  # points


@dataclass(frozen=True)
class Stage:
    kind: str
    bound: float  # B of the paper


STAGES = (
    Stage("gelu", float("inf")),
    Stage("softmax", 32.0),
    Stage("layernorm1", 24.0),
    Stage("layernorm2", 16.0),
)


@dataclass(frozen=True)
class Effort:
    rate: float
    slice: int  # examples a round
    rounds: int
    together: int  # examples after each stage, all blocks training; 0: none
    final: int  # the same after the last stage


def steps(target):
    """The steps of a run as (stage, block); block None: all together. Only what differs from `exact` is replaced."""
    todo = []
    for stage in STAGES:
        blocks = [b for b in reversed(range(target.layers)) if target.variant[stage.kind, b] != "exact"]
        if stage.kind == "layernorm2" and target.variant["layernorm", -1] != "exact":
            blocks.append(-1)
        if blocks:
            todo += [(stage, block) for block in blocks] + [(stage, None)]
    return todo


def fit_scale(model, layernorm, batches, pad):
    """Scales gamma of a LayerNorm that no longer divides: per channel the least-squares factor from the centred to the
    normalised inputs."""
    sums = torch.zeros(2, layernorm.weight.numel())
    current = {}

    def observe(_, inputs):
        x = inputs[0]
        centred = x - x.mean(-1, keepdim=True)
        normalised = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=layernorm.eps)
        weight = current["mask"][:, :, None]
        sums[0] += (centred * normalised * weight).sum((0, 1))
        sums[1] += (centred * centred * weight).sum((0, 1))

    hook = layernorm.register_forward_pre_hook(observe)
    model.eval()
    with torch.no_grad():
        for batch in batches:
            ids, types, current["mask"], _ = data.tensors(batch, pad)
            model(ids, types, current["mask"])
        layernorm.weight *= sums[0] / sums[1].clamp_min(1e-9)
    hook.remove()


def substitute(model, trainer, kind, block, variant, position):
    name = "layernorm" if block < 0 else kind
    was = model.approx.variant[name, block]
    if kind.startswith("layernorm") and was == "exact" and variant == "center":
        sample = data.batches(trainer.slice(position, 256), 32)
        fit_scale(model, model.layernorm(name, block), sample, trainer.pad)
    model.approx.variant[name, block] = variant


def snapshot(model):
    return copy.deepcopy(model.state_dict()), model.approx.copy()


def restore(model, saved):
    model.load_state_dict(saved[0])
    model.approx = saved[1].copy()


def one_block(model, trainer, effort, target, step, original, now, position):
    """Replaces one op and fine-tunes; `now`: the scores so far. Returns a record with the scores then, and how many
    examples were used."""
    stage, block = step
    name = "layernorm" if block < 0 else stage.kind
    title = f"{stage.kind} {'of the embedding' if block < 0 else f'in block {block}'}"
    before = snapshot(model)
    substitute(model, trainer, stage.kind, block, target.variant[name, block], position)
    model.freeze_below(block)
    used, tried, kept = 0, [], False
    while not kept and used < effort.rounds * effort.slice:
        loss = trainer.train(model, position + used, effort.slice, effort.rate, title, stage.bound)
        used += effort.slice
        scores = trainer.evaluate(model, "held", title)
        tried.append(scores | {"loss": round(loss, 4)})
        kept = trainer.decisive(scores) > original - TOLERANCE
    if not kept:
        restore(model, before)
    trainer.log.line(f"{title}: {course(trainer, tried)} (more than {original - TOLERANCE:.2f} wanted), "
                     f"|h| <= {scores['largest']:.1f}: {'kept' if kept else 'REVERTED'}")
    return {"stage": stage.kind, "block": block, "tried": tried, "kept": kept, "scores": scores if kept else now}, used


def together(model, trainer, stage, count, rate, now, position):
    """All blocks fine-tune together, in three parts, to regain what single blocks lost. The best state is kept, which may
    be that of before."""
    title = f"{stage.kind}, all blocks"
    used, tried, best, scores, part = 0, [], snapshot(model), now, -(-count // 3)
    kept = False
    while used < count:
        model.freeze_below(-1)
        falling = rate * (1 - 0.7 * used / count)
        loss = trainer.train(model, position + used, part, falling, title, stage.bound)
        used += part
        tried.append(trainer.evaluate(model, "held", title) | {"loss": round(loss, 4)})
        if trainer.decisive(tried[-1]) >= trainer.decisive(scores):
            best, scores, kept = snapshot(model), tried[-1], True
    restore(model, best)
    trainer.log.line(f"{title}: {course(trainer, tried)} after {trainer.decisive(now):.2f}: "
                     f"that of {trainer.decisive(scores):.2f} kept")
    return {"stage": stage.kind, "block": None, "tried": tried, "kept": kept, "scores": scores}, used


def course(trainer, tried):
    return f"{trainer.task.metrics[0]} {', then '.join(f'{trainer.decisive(scores):.2f}' for scores in tried)}"


def run_step(model, trainer, effort, target, step, original, now, position, last):
    """One of steps(); `last`: it is the last one."""
    stage, block = step
    if block is not None:
        return one_block(model, trainer, effort, target, step, trainer.decisive(original), now, position)
    return together(model, trainer, stage, effort.final if last else effort.together, effort.rate, now, position)
