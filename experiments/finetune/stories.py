#!/usr/bin/python3
"""Adapts a LLaMA that tells stories to cheaper operators, by Algorithm 2 of arXiv:2305.18396, on stories that it wrote
itself. Started again with the same arguments, it goes on where it was."""

import argparse
import math
import os
import sys
import time
from dataclasses import dataclass

import finetune
from finetune import data, torch
import llama
import training


PARTS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
MOST_FITTED = 4096  # tokens that a start is fitted to: no fit here has more than one number a unit


@dataclass(frozen=True)
class Task:
    metrics: tuple = ("accuracy", "perplexity")  # of the next token, in percent; the first decides


class Storytelling(training.Trainer):
    """Training towards what the teacher would say next. Its stories are draws from just that, so their own tokens, as
    labels, would teach the same with more noise. An example is a row of token ids, all of one length."""

    teacher = None

    def sample(self, position, tokens):
        length = len(self.splits["train"][0])
        return self.slice(position, min(-(-tokens // length), len(self.splits["train"])))[:MOST_FITTED // length]

    def batches(self, examples, key):
        return [torch.stack(examples[i : i + self.batch]) for i in range(0, len(examples), self.batch)]

    def evaluate(self, model, split, title):
        right, total, count, largest, started = 0, 0.0, 0, 0.0, time.monotonic()
        model.eval()
        batches = self.batches(self.splits[split], None)
        with torch.no_grad():
            for i, ids in enumerate(batches):
                logits, hidden = model(ids[:, :-1])
                total += float(torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="sum"))
                right += int((logits.argmax(-1) == ids[:, 1:]).sum())
                count += ids[:, 1:].numel()
                largest = max([largest] + [float(h.abs().max()) for h in hidden])
                self.log.bar(title, i + 1, len(batches), "evaluation", started)
        return {"accuracy": round(100 * right / count, 2), "perplexity": round(math.exp(min(total / count, 99)), 3),
                "largest": round(largest, 2)}

    def train(self, model, position, count, rate, title, bound=None, final_rate=0.1, teacher=None):
        """As Trainer.train; returns the mean divergence from the teacher, in nats a token."""
        torch.manual_seed(training.hash_of(self.seed, position))
        model.train()
        batches = self.batches(self.slice(position, count), None)
        [optimizer] = training.make_optimizers(model, rate, training.DECAY)
        total, started = 0.0, time.monotonic()
        for step, ids in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = rate * training.schedule(step, len(batches), final_rate)
            optimizer.zero_grad(set_to_none=True)
            logits, hidden = model(ids[:, :-1])
            with torch.no_grad():
                wanted = self.teacher(ids[:, :-1])[0].log_softmax(-1)
            apart = torch.nn.functional.kl_div(logits.log_softmax(-1), wanted, reduction="none", log_target=True).sum(-1)
            loss = (1 - training.DECAY - training.BOUND) * apart.mean()
            loss = loss + training.BOUND * training.bound_loss(hidden, torch.ones(ids[:, 1:].shape), bound)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
            optimizer.step()
            total += float(apart.mean())
            self.log.bar(title, step + 1, len(batches), f"divergence {total / (step + 1):.3f}", started)
        return total / len(batches)


# What a substituted op starts from --------------------------------------------------------------------------------------


def watch(model, module, examples, look):
    """Calls look(input of the module) for examples."""
    hook = module.register_forward_pre_hook(lambda _, inputs: look(inputs[0]))
    model.eval()
    with torch.no_grad():
        for at in range(0, len(examples), 32):
            model(torch.stack(examples[at : at + 32]))
    hook.remove()


def fit_norm(part):
    """A norm that no longer divides gets the mean of the inverse lengths, or part of it: which changes the logits least.
    The first token of a text is several times as long as others, and with it whatever looks at it."""

    def fit(model, block, examples, _):
        norm, inverses, ids = part(model, block), [], torch.stack(examples[: 1024 // len(examples[0])])
        watch(model, norm, examples, lambda x: inverses.append(norm.inverse(x).flatten()))
        scale, variant = torch.cat(inverses).mean(), model.approx.variant
        with torch.no_grad():
            before, wanted = norm.weight.clone(), model(ids)[0]
            variant[norm.kind, block] = "center"
            apart = {}
            for some in PARTS:
                norm.weight.copy_(before * scale * some)
                apart[some] = float((model(ids)[0] - wanted).abs().mean())
            norm.weight.copy_(before * scale * min(apart, key=apart.get))
        variant[norm.kind, block] = "exact"

    return fit


def fit_activation(model, block, examples, _):
    """For each unit the scale with which ReLU(gate) * up is closest to SiLU(gate) * up; it goes into the layer after."""
    mlp = model.blocks[block].mlp
    product, square = torch.zeros(2, model.intermediate)

    def look(x):
        gate, up = (torch.nn.functional.linear(x, part.weight).flatten(0, 1) for part in (mlp.gate_proj, mlp.up_proj))
        wanted, given = torch.nn.functional.silu(gate) * up, torch.relu(gate) * up
        product.add_((wanted * given).sum(0))
        square.add_((given * given).sum(0))

    watch(model, mlp.gate_proj, examples, look)
    with torch.no_grad():
        mlp.down_proj.weight *= torch.where(square > 1e-7, product / square.clamp_min(1e-7), torch.ones(()))


FITS = {
    ("gelu", "exact", "relu"): fit_activation,
    ("layernorm1", "exact", "center"): fit_norm(lambda model, block: model.blocks[block].input_layernorm),
    ("layernorm2", "exact", "center"): fit_norm(lambda model, block: model.blocks[block].post_attention_layernorm),
    ("layernorm", "exact", "center"): fit_norm(lambda model, _: model.norm),
}


class Run(finetune.Run):
    def prepare(self):
        arguments = self.arguments
        self.title = "stories"
        self.model, self.config = llama.load(arguments.model)
        if not 2 <= arguments.length <= self.model.positions:
            raise ValueError(f"--length {arguments.length}: the model has {self.model.positions} positions")
        teacher = self.original_model()
        self.trainer = Storytelling(self.stories(teacher), Task(), self.log, arguments.seed, arguments.batch, fits=FITS)
        self.trainer.teacher = teacher

    def stories(self, teacher):
        """The teacher's stories by split, which are kept in a file: drawing them takes a while."""
        arguments = self.arguments
        counts = {"train": arguments.stories, "held": arguments.held, "validation": arguments.held}
        path = os.path.join(arguments.out, "stories.pt")
        drawn = finetune.checkpoint.load_state(path)
        if drawn is None:
            self.log.line(f"{sum(counts.values())} stories of {arguments.length} tokens are written")
            generator = torch.Generator().manual_seed(data.SEED)
            drawn = {split: teacher.write(count, arguments.length, generator) for split, count in counts.items()}
            finetune.checkpoint.save_state(path, drawn)
            texts = llama.texts_of(arguments.model, drawn["validation"].tolist())
            finetune.data.write_jsonl(os.path.join(arguments.out, "validation.jsonl"), [data.Example(t, 0) for t in texts])
        if {split: tuple(ids.shape) for split, ids in drawn.items()} != {
                split: (count, arguments.length) for split, count in counts.items()}:
            raise ValueError(f"{path} holds stories of another number or length; give another --out or remove it")
        return {split: list(ids) for split, ids in drawn.items()}

    def distiller(self):
        return None  # all of the training is towards the original

    def original_model(self):
        return llama.load(self.arguments.model)[0].eval()

    def save_model(self, directory):
        llama.save(directory, self.model, self.config, self.arguments.model)


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="a LLaMA directory, such as .cache/stories15m")
    add("--approx", default="paper", help="preset or list as for trefoil")
    add("--out", required=True, metavar="DIR", help="the result, and the state of the run")
    add("--stories", type=int, default=1000, metavar="N", help="how many the model writes for training")
    add("--held", type=int, default=50, metavar="N", help="how many for decisions, and how many for the scores at the end")
    add("--length", type=int, default=128, metavar="TOKENS", help="of a story, which is cut there")
    add("--batch", type=int, default=8)
    add("--rate", type=float, default=1e-4, help="learning rate")
    add("--slice", type=float, default=0.1, help="part of the stories that a block takes")
    add("--rounds", type=int, default=3, help="slices that a block gets before it is given up")
    add("--together", type=float, default=0.3, help="part of the stories for all blocks after each stage")
    add("--final", type=float, default=1.0, help="the same after the last stage")
    add("--tolerance", type=float, default=finetune.algorithm2.TOLERANCE, metavar="POINTS",
        help="how far a substitution may stay below the original's score")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=0, help="0: as many as torch likes")
    return parser.parse_args(argv)


if __name__ == "__main__":
    finetune.main(Run, arguments_of(sys.argv[1:]))
