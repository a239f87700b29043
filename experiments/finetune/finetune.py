#!/usr/bin/python3
"""Fine-tunes a BERT directory on a task: the plain baseline (--approx exact), or the adaptation of a fine-tuned model to
cheaper operators by Algorithm 2 of arXiv:2305.18396. Started again with the same arguments, it goes on where it was."""

import argparse
import os
import platform
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded; spinning threads take others' time

try:
    import torch
except ImportError:
    sys.exit("finetune.py: no PyTorch for this Python; `experiments/setup.sh finetune` installs Debian's, "
             "and /usr/bin/python3 uses it")

import algorithm2
import checkpoint
import data
from approximations import Approximations
from progress import Log
from training import Teacher, Trainer, describe


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="a BERT directory; for an adaptation, fine-tuned on the task")
    add("--task", required=True, choices=data.TASKS)
    add("--approx", default="paper", help="preset or list as for trefoil; exact: train the plain baseline")
    add("--out", required=True, metavar="DIR", help="the result, and the state of the run")
    add("--data", metavar="DIR", help="where the task's files are")
    add("--rate", type=float, default=1e-4, help="learning rate")
    add("--slice", type=float, default=0.1, help="part of the training set that a block, or a slice of a baseline, takes")
    add("--rounds", type=int, default=3, help="slices that a block gets before it is given up")
    add("--together", type=float, default=0.3, help="part of the training set for all blocks after each stage")
    add("--final", type=float, default=1.0, help="the same after the last stage")
    add("--tolerance", type=float, default=algorithm2.TOLERANCE, metavar="POINTS",
        help="how far a substitution may stay below the original's score")
    add("--distill", type=float, default=0, metavar="W",
        help="after the last stage W of the task's loss, 0 to 1, is that of the original's logits")
    add("--epochs", type=float, default=3, help="of the plain baseline")
    add("--batch", type=int, default=32)
    add("--dropout", type=float, default=0.1)
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=0, help="0: as many as torch likes")
    add("--limit", type=int, help="use so many examples of each split, for tests")
    add("--dtype", choices=("F32", "F16"), default="F32", help="of the weights written")
    add("--trefoil", default=os.path.join(data.ROOT, "build", "trefoil"), help="the program, for its tokenizer")
    return parser.parse_args(argv)


class Run:
    """A run and its state, which is written after every step."""

    unsaved = ("out", "trefoil", "threads", "dtype", "data")  # arguments on which no step's outcome depends

    def __init__(self, arguments):
        self.arguments = arguments
        os.makedirs(arguments.out, exist_ok=True)
        self.log = Log(os.path.join(arguments.out, "log.txt"))
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        torch.manual_seed(arguments.seed)
        self.prepare()
        self.state_path = os.path.join(arguments.out, "state.pt")
        self.settings = {key: value for key, value in vars(arguments).items() if key not in self.unsaved}
        self.state = {"settings": self.settings, "step": 0, "position": 0, "history": [], "original": None, "seconds": 0.0}

    def prepare(self):
        """The model and what it is trained on."""
        arguments = self.arguments
        self.title, task = arguments.task, data.TASKS[arguments.task]
        self.labels = list(task.labels)
        self.model, self.config, self.fits = checkpoint.load(arguments.model, self.labels, arguments.dropout)
        splits = data.load(arguments.task, arguments.data, arguments.limit)
        for split in {id(examples): examples for examples in splits.values()}.values():
            data.tokenize(arguments.trefoil, arguments.model, split)
        self.trainer = Trainer(splits, task, self.log, arguments.seed, arguments.batch,
                               pad=self.config.get("pad_token_id") or 0)

    def examples(self, part):
        return round(part * len(self.trainer.splits["train"]))

    def resume(self):
        saved = checkpoint.load_state(self.state_path)
        if saved is None:
            return
        if saved["settings"] != self.settings:
            raise ValueError(f"{self.arguments.out} holds a run with other settings; give another --out or remove it")
        self.model.load_state_dict(saved.pop("weights"))
        self.model.approx = Approximations(self.model.layers, saved.pop("approx"))
        self.state = saved
        self.log.line(f"resumed after {saved['step']} steps")

    def save(self):
        state = self.state | {"weights": self.model.state_dict(), "approx": self.model.approx.text()}
        checkpoint.save_state(self.state_path, state)

    def save_model(self, directory):
        checkpoint.save(directory, self.model, self.config, self.labels, self.arguments.model, self.arguments.dtype)

    def write(self, directory):
        self.save_model(directory)
        checkpoint.write_json(os.path.join(directory, "finetune.json"), {
            "task": self.title,
            "approx": self.model.approx.text(),
            "original": self.state["original"],
            "validation": self.trainer.evaluate(self.model, "validation", "validation"),
            "settings": self.settings,
            "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seconds": round(self.state["seconds"]),
            "history": self.state["history"],
        })

    def steps(self, todo, perform, after):
        """Performs what is left of the list, saving after each; after(item) follows a step."""
        while self.state["step"] < len(todo):
            started, item = time.monotonic(), todo[self.state["step"]]
            self.log.prefix = f"[{self.state['step'] + 1}/{len(todo)}] "
            record, used = perform(item)
            self.state["seconds"] += time.monotonic() - started
            self.state["history"].append(record)
            self.state["position"] += used
            self.state["step"] += 1
            after(item)
            self.save()
        self.log.prefix = ""

    def baseline(self):
        """Plain fine-tuning: slices with a learning rate that falls from one to the next; the last state is kept."""
        arguments, trainer = self.arguments, self.trainer
        count = self.examples(arguments.slice)
        slices = max(round(arguments.epochs / arguments.slice), 1)

        def perform(number):
            rate = arguments.rate * (1 - 0.95 * number / slices)
            self.model.freeze_below(0, embeddings=True)
            title = f"slice {number + 1} of {slices}"
            loss = trainer.train(self.model, self.state["position"], count, rate, title, final_rate=1)
            scores = trainer.evaluate(self.model, "held", title)
            self.log.line(f"{title}: loss {loss:.3f}, {describe(scores)}")
            return {"slice": number, "loss": round(loss, 4)} | scores, count

        self.steps(list(range(slices)), perform, lambda _: None)

    def original_model(self):
        """The model as it was, in evaluation."""
        return checkpoint.load(self.arguments.model, self.labels)[0].eval()

    def distiller(self):
        """Of the last stage, or None."""
        arguments = self.arguments
        if not self.fits:
            raise ValueError(f"{arguments.model} is not a classifier for {arguments.task}: train one with --approx exact")
        if not 0 <= arguments.distill <= 1:
            raise ValueError(f"--distill {arguments.distill}: a weight is from 0 to 1")
        return Teacher(self.original_model(), arguments.distill) if arguments.distill else None

    def adapt(self):
        arguments, trainer = self.arguments, self.trainer
        teacher = self.distiller()
        target = Approximations(self.model.layers, arguments.approx)
        effort = algorithm2.Effort(arguments.rate, self.examples(arguments.slice), arguments.rounds,
                                   self.examples(arguments.together), self.examples(arguments.final),
                                   arguments.tolerance)
        todo = algorithm2.steps(target)
        if self.state["original"] is None:
            held = trainer.evaluate(self.model, "held", "original")
            validation = trainer.evaluate(self.model, "validation", "original")
            self.state["original"] = {"held": held, "validation": validation}
            self.log.line(f"original: held-out {describe(held)}; validation {describe(validation)}")
            self.save()
        original = self.state["original"]["held"]

        def perform(step):
            now = self.state["history"][-1]["scores"] if self.state["history"] else original
            return algorithm2.run_step(self.model, trainer, effort, target, step, original, now, self.state["position"],
                                       step == todo[-1], teacher)

        def after(step):
            stage, block = step
            if block is None:  # a model for each cumulative substitution
                number = [s.kind for s in algorithm2.STAGES].index(stage.kind) + 1
                directory = os.path.join(arguments.out, "stages", f"{number}-{stage.kind}")
                self.write(directory)
                self.log.line(f"{directory}: {self.model.approx.text()}")

        self.steps(todo, perform, after)

    def go(self):
        self.resume()
        self.log.line(f"{self.title}: {len(self.trainer.splits['train'])} training examples, "
                      f"{len(self.trainer.splits['validation'])} for validation")
        if self.arguments.approx == "exact":
            self.baseline()
        else:
            self.adapt()
        self.write(self.arguments.out)
        scores = self.trainer.evaluate(self.model, "validation", "validation")
        self.log.line(f"{self.arguments.out}: {self.model.approx.text()}: validation {describe(scores)}")


def main(run, arguments):
    """The run of these arguments, from where it was."""
    name = os.path.basename(sys.argv[0])
    try:
        run(arguments).go()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\n{name}: stopped; the same command goes on from the last finished step")


if __name__ == "__main__":
    main(Run, arguments_of(sys.argv[1:]))
