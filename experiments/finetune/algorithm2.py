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


def one_block(model, trainer, effort, target, stage, block, original, position):
    """Replaces one op and fine-tunes. Returns a record of it and how many examples were used."""
    name = "layernorm" if block < 0 else stage.kind
    title = f"{stage.kind} {'of the embedding' if block < 0 else f'in block {block}'}"
    before = snapshot(model)
    substitute(model, trainer, stage.kind, block, target.variant[name, block], position)
    record = {"stage": stage.kind, "block": block, "tried": []}
    model.freeze_below(block)
    used = 0
    for _ in range(effort.rounds):
        loss = trainer.train(model, position + used, effort.slice, effort.rate, title, stage.bound)
        used += effort.slice
        scores = trainer.evaluate(model, "held", title)
        record["tried"].append(scores | {"loss": round(loss, 4)})
        record["kept"] = trainer.decisive(scores) > original - TOLERANCE
        if record["kept"]:
            break
    if not record["kept"]:
        restore(model, before)
    metric = trainer.task.metrics[0]
    course = ", then ".join(f"{s[metric]:.2f}" for s in record["tried"])
    trainer.log.line(f"{title}: {metric} {course} (at least {original - TOLERANCE:.2f}), |h| <= "
                     f"{record['tried'][-1]['largest']:.1f}: {'kept' if record['kept'] else 'REVERTED'}")
    return record, used


def together(model, trainer, stage, count, rate, position):
    """All blocks fine-tune together, to regain what single blocks lost. Kept unless accuracy fell."""
    title = f"{stage.kind}, all blocks"
    before = snapshot(model)
    was = trainer.evaluate(model, "held", title)
    record = {"stage": stage.kind, "block": None, "before": was, "tried": []}
    used, best, best_score, third = 0, before, was, -(-count // 3)
    while used < count:
        part = min(count - used, third)
        model.freeze_below(-1)
        falling = rate * (1 - 0.7 * used / count)
        loss = trainer.train(model, position + used, part, falling, title, stage.bound)
        used += part
        scores = trainer.evaluate(model, "held", title)
        record["tried"].append(scores | {"loss": round(loss, 4)})
        if trainer.decisive(scores) >= trainer.decisive(best_score):
            best, best_score = snapshot(model), scores
    restore(model, best)
    record["kept"] = best is not before
    metric = trainer.task.metrics[0]
    course = ", then ".join(f"{s[metric]:.2f}" for s in [was] + record["tried"])
    trainer.log.line(f"{title}: {metric} {course}: that of {trainer.decisive(best_score):.2f} kept")
    return record, used


def run_step(model, trainer, effort, target, step, original, position, last):
    stage, block = step
    if block is not None:
        return one_block(model, trainer, effort, target, stage, block, original, position)
    count = effort.final if last else effort.together
    return together(model, trainer, stage, count, effort.rate, position)
