"""
Algorithm 2 of "LLMs Can Understand Encrypted Prompt" (Liu and Liu 2023, arXiv:2305.18396): one kind of op after the
other is replaced, from the last block to the first; each time the blocks below are frozen and the rest is fine-tuned; a
replacement that costs more than two points of the original accuracy is taken back.

Beyond the paper: a block gets up to `rounds` slices before it is given up; a substituted op starts from what fits the
data best (fitting.py, stories.py); after each stage all blocks train together once, which is kept if it did not harm, the
last time towards the original's logits as well, if that is asked for; and the last stage ends with the embedding's
LayerNorm, which the paper's protocol leaves to the client (of a decoder: with the norm after the last block). From there
on the embeddings train too: nothing else can make up for a sum of embeddings that is no longer divided by its deviation,
and nothing after it needs them as they were.
"""

import copy
from dataclasses import dataclass


TOLERANCE = 2.0  # points, as in the paper
FIT_TOKENS = 12000


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
    tolerance: float = TOLERANCE


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


def substitute(model, trainer, kind, block, variant, position):
    """Changes the variant of an op, and where there is a fit for the new one, makes it start from that."""
    name = "layernorm" if block < 0 else kind
    fit = trainer.fits.get((kind if block >= 0 else "layernorm", model.approx.variant[name, block], variant))
    if fit:
        fit(model, block, trainer.sample(position, FIT_TOKENS), trainer.pad)
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
    model.freeze_below(block, embeddings=block < 0)
    used, tried, kept = 0, [], False
    while not kept and used < effort.rounds * effort.slice:
        loss = trainer.train(model, position + used, effort.slice, effort.rate, title, stage.bound)
        used += effort.slice
        scores = trainer.evaluate(model, "held", title)
        tried.append(scores | {"loss": round(loss, 4)})
        kept = trainer.decisive(scores) > original - effort.tolerance
    if not kept:
        restore(model, before)
    trainer.log.line(f"{title}: {course(trainer, tried)} (more than {original - effort.tolerance:.2f} wanted), "
                     f"|h| <= {scores['largest']:.1f}: {'kept' if kept else 'REVERTED'}")
    return {"stage": stage.kind, "block": block, "tried": tried, "kept": kept, "scores": scores if kept else now}, used


def together(model, trainer, stage, count, rate, now, position, embeddings, teacher=None):
    """All blocks fine-tune together, in three parts, to regain what single blocks lost; with `embeddings`, those too, and
    with a teacher towards what it says. The best state is kept, which may be that of before."""
    title = f"{stage.kind}, all blocks"
    used, tried, best, scores, part = 0, [], snapshot(model), now, -(-count // 3)
    kept = False
    while used < count:
        model.freeze_below(-1, embeddings=embeddings)
        falling = rate * (1 - 0.7 * used / count)
        loss = trainer.train(model, position + used, part, falling, title, stage.bound, teacher=teacher)
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


def run_step(model, trainer, effort, target, step, original, now, position, last, teacher=None):
    """One of steps(); `last`: it is the last one, where the teacher comes in, if there is one."""
    stage, block = step
    if block is not None:
        return one_block(model, trainer, effort, target, step, trainer.decisive(original), now, position)
    count = effort.final if last else effort.together
    return together(model, trainer, stage, count, effort.rate, now, position, last, teacher if last else None)
