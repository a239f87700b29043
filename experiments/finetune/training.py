"""Training on a slice of the data, and evaluation."""

import random
import time
from dataclasses import dataclass, field

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

import data
from fitting import FITS
from metrics import METRICS

DECAY, BOUND = 0.1, 0.2  # a1 and a2 of the paper
TEMPERATURE = 2.0


@dataclass(frozen=True)
class Teacher:
    """A model whose logits are matched beside the labels (Hinton, Vinyals and Dean 2015): `weight` of the task's loss, in
    [0, 1], is the divergence from what the teacher predicts, both softened by a temperature."""

    model: object
    weight: float

    def loss(self, ids, types, mask, logits, task_loss):
        with torch.no_grad():
            target = log_softmax(self.model(ids, types, mask)[0] / TEMPERATURE, dim=-1)
        apart = kl_div(log_softmax(logits / TEMPERATURE, dim=-1), target, reduction="batchmean", log_target=True)
        return (1 - self.weight) * task_loss + self.weight * TEMPERATURE**2 * apart


@dataclass
class Trainer:
    """What all slices of a run share."""

    splits: dict
    task: object
    log: object
    seed: int = 1
    batch: int = 32
    longest: int = 128
    pad: int = 0
    fits: dict = field(default_factory=lambda: FITS)  # by kind, variant before and variant after

    def slice(self, position, count):
        """`count` training examples from this position of an endless sequence: the training set in a new order every
        time round. Depends on nothing but the seed, so that a resumed run sees what it would have seen."""
        chosen, train = [], self.splits["train"]
        while len(chosen) < count:
            epoch, at = divmod(position + len(chosen), len(train))
            order = list(range(len(train)))
            random.Random(f"{self.seed}/{epoch}").shuffle(order)
            chosen += [train[i] for i in order[at : at + count - len(chosen)]]
        return chosen

    def sample(self, position, tokens):
        """Examples of at least so many tokens together, or as many examples as there are."""
        chosen, total = [], 0
        for example in self.slice(position, len(self.splits["train"])):
            chosen.append(example)
            total += len(example.ids)
            if total >= tokens:
                break
        return chosen

    def batches(self, examples, key):
        """Batches of similar lengths, in random order."""
        shuffler = random.Random(f"{self.seed}/{key}")
        batches = data.batches(examples, self.batch)
        shuffler.shuffle(batches)
        return batches

    def evaluate(self, model, split, title):
        """The task's metrics in percent, and the largest magnitude among the hidden activations."""
        model.eval()
        predicted, true, largest, started = [], [], 0.0, time.monotonic()
        batches = data.batches(self.splits[split], 64)
        with torch.no_grad():
            for i, batch in enumerate(batches):
                ids, types, mask, labels = data.tensors(batch, self.pad)
                logits, hidden = model(ids, types, mask)
                predicted += logits.argmax(-1).tolist()
                true += labels.tolist()
                largest = max([largest] + [float((h.abs() * mask[:, :, None]).max()) for h in hidden])
                self.log.bar(title, i + 1, len(batches), "evaluation", started)
        scores = {name: round(100 * METRICS[name](predicted, true), 2) for name in self.task.metrics}
        return scores | {"largest": round(largest, 2)}

    def decisive(self, scores):
        return scores[self.task.metrics[0]]

    def train(self, model, position, count, rate, title, bound=None, final_rate=0.1, teacher=None):
        """
        Fine-tunes what is not frozen on `count` examples; the learning rate rises over the first twentieth and then
        falls linearly to final_rate of it. With a bound B (which may be infinite) it minimises (1 - a1 - a2) L_task +
        a2 L_bound; the a1 term is AdamW's decoupled decay, for inside the loss Adam would rescale it to the size of the
        task's gradient. Without, this is plain fine-tuning. With a teacher, L_task is in part that of its logits. Returns
        the mean loss over the labels.
        """
        torch.manual_seed(hash_of(self.seed, position))
        model.train()
        batches = self.batches(self.slice(position, count), position)
        optimizers = make_optimizers(model, rate, 0.01 if bound is None else DECAY)
        total, started = 0.0, time.monotonic()
        for step, batch in enumerate(batches):
            scale = schedule(step, len(batches), final_rate)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate * scale
                optimizer.zero_grad(set_to_none=True)
            ids, types, mask, labels = data.tensors(batch, self.pad, self.longest)
            logits, hidden = model(ids, types, mask)
            loss = label_loss = cross_entropy(logits, labels)
            if teacher:
                loss = teacher.loss(ids, types, mask, logits, label_loss)
            if bound is not None:
                loss = (1 - DECAY - BOUND) * loss + BOUND * bound_loss(hidden, mask, bound)
            loss.backward()
            dense = [p for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
            torch.nn.utils.clip_grad_norm_(dense, 1.0)
            for optimizer in optimizers:
                optimizer.step()
            total += label_loss.item()
            self.log.bar(title, step + 1, len(batches), f"loss {total / (step + 1):.3f}", started)
        return total / len(batches)


def describe(scores):
    """For a log: accuracy 81.19, |h| <= 6.28"""
    return ", ".join(f"|h| <= {v:.1f}" if k == "largest" else f"{k} {v:.2f}" for k, v in scores.items())


def hash_of(seed, position):
    return (seed * 1000003 + position) % (1 << 31)


def bound_loss(hidden, mask, bound):
    """sum over the layers of || max(|h| - B, 0) ||_2, a token's, averaged over the tokens as the task's loss is over the
    texts, so that their balance does not depend on the batch."""
    total = 0.0
    for h in hidden:
        if float(h.detach().abs().max()) > bound:
            excess = torch.relu(h.abs() - bound) * mask[:, :, None]
            total = total + torch.linalg.vector_norm(excess, dim=-1).sum() / mask.sum()
    return total


def schedule(step, steps, final):
    warm = max(steps // 20, 1)
    if step < warm:
        return (step + 1) / warm
    return 1 - (1 - final) * (step - warm) / max(steps - warm, 1)


def make_optimizers(model, rate, decay):
    """AdamW, without decay on biases and LayerNorm; SparseAdam for word embeddings, of which a batch uses few."""
    plain, decayed, sparse = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name == "embeddings.word_embeddings.weight":
            sparse.append(parameter)
        else:
            (plain if parameter.dim() == 1 else decayed).append(parameter)
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": decay}]
    optimizers = [torch.optim.AdamW(groups, lr=rate)]
    return optimizers + ([torch.optim.SparseAdam(sparse, lr=rate)] if sparse else [])
