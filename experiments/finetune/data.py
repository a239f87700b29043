"""The tasks: their files, splits, labels and metrics, and batches of token ids made by `trefoil tokenize`.

As a program: data.py --task NAME --split train|held|validation --out FILE.jsonl [--data DIR] [--limit N]
writes a split as one {"text": ..., "label": ...} a line, which is what `trefoil eval` reads.
"""

import argparse
import csv
import glob
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = 20230518  # of the splits, whatever the seed of the training


@dataclass
class Example:
    text: object  # a string or a pair of them
    label: int
    ids: list = field(default_factory=list)


def read_table(path):
    """Tab-separated with a header; quotes are ordinary characters."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows)
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise ValueError(f"{path} line {number}: {len(row)} columns; its header has {len(header)}")
            yield row


def sst2(directory):
    """GLUE's SST-2. Training rows are phrases of the training sentences."""
    read = lambda name: [Example(row[0].strip(), int(row[1])) for row in read_table(os.path.join(directory, name))]
    return read("train.tsv"), None, read("dev.tsv")


def mrpc(directory):
    """The Microsoft paraphrase corpus with its own test set for validation (GLUE's is 408 rows of the training set)."""
    read = lambda name: [Example((row[3], row[4]), int(row[0])) for row in read_table(os.path.join(directory, name))]
    train, held = hold_out(read("msr_paraphrase_train.txt"))
    return train, held, read("msr_paraphrase_test.txt")


def cola(directory):
    """CoLA; validation is in-domain and out-of-domain development set together, as in GLUE."""

    def read(name):
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return [Example(row[3], int(row[1])) for row in (line.rstrip("\n").split("\t") for line in file)]

    train, held = hold_out(read("in_domain_train.tsv"))
    return train, held, read("in_domain_dev.tsv") + read("out_of_domain_dev.tsv")


def mail_text(source, characters=240):
    """Subject and beginning of the body of an e-mail, without mark-up and without the tag of a mailing list, which would
    give the answer away."""
    import email  # these two are slow to load
    import html

    message = email.message_from_string(source)
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    parts.sort(key=lambda part: part.get_content_subtype() != "plain")
    body = parts[0].get_payload(decode=True).decode("latin-1") if parts else ""
    if parts and parts[0].get_content_subtype() == "html" or "<html" in body.lower():
        body = re.sub(r"(?is)<(style|script|title)\b.*?</\1>|<!--.*?-->|<[^>]*>", " ", body)
    text = re.sub(r"\[[^\]]*\]", " ", str(message.get("Subject", ""))) + " . " + html.unescape(body)
    text = re.sub(r"[^\x20-\x7e\xa1-\xff]+|\s+|([-=_*#~.+])\1{2,}", " ", text)
    words = " ".join(text.split())
    return words if len(words) <= characters else words[:characters].rsplit(" ", 1)[0]


def spam(directory):
    """SpamAssassin's corpus: a fifth of the messages, by the hash of their text, are for validation."""
    parts = ([], [])
    seen = set()
    for path in sorted(glob.glob(os.path.join(directory, "*-[12]", "*.json"))):
        with open(path, encoding="utf-8") as file:
            message = json.load(file)
        text = mail_text(message["text"])
        digest = hashlib.sha256(text.encode()).digest()
        if digest not in seen and text:  # the same letter is often there twice
            seen.add(digest)
            parts[digest[0] % 5 == 0].append(Example(text, int(message["group"].startswith("spam"))))
    if not parts[0]:
        raise FileNotFoundError(f"{directory}: holds no messages")
    train, held = hold_out(parts[0])
    return train, held, parts[1]


def hold_out(examples, share=10):
    """A tenth of the training set decides what to keep, so that the validation set only ever reports."""
    order = list(range(len(examples)))
    random.Random(SEED).shuffle(order)
    cut = len(order) // share
    return [examples[i] for i in sorted(order[cut:])], [examples[i] for i in sorted(order[:cut])]


@dataclass(frozen=True)
class Task:
    read: object
    labels: tuple
    metrics: tuple  # the first decides; f1 and matthews are of label 1


TASKS = {
    "sst2": Task(sst2, ("negative", "positive"), ("accuracy",)),
    "mrpc": Task(mrpc, ("different", "paraphrase"), ("accuracy", "f1")),
    "cola": Task(cola, ("unacceptable", "acceptable"), ("matthews", "accuracy")),
    "spam": Task(spam, ("ham", "spam"), ("accuracy", "f1")),
}


def default_directory(task):
    """Where the data of a task is looked for: experiments/setup.sh data puts spam there, the rest has to be had."""
    if task == "spam":
        return os.path.join(ROOT, ".cache", "spam-assassin")
    shared = os.environ.get("TREFOIL_SHARED", os.path.join(ROOT, "..", "shared"))
    return os.path.join(shared, "data", task)


def load(name, directory=None, limit=None):
    """The splits of a task as {"train": ..., "held": ..., "validation": ...}. Where nothing is held out, validation
    decides, as in the paper. `limit` shortens each for tests."""
    directory = directory or default_directory(name)
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"{directory}: the data of {name} is not there; give its directory with --data")
    train, held, validation = TASKS[name].read(directory)
    splits = {"train": train, "held": held or validation, "validation": validation}
    return {split: examples[:limit] for split, examples in splits.items()}


def write_jsonl(path, examples):
    with open(path, "w", encoding="utf-8") as file:
        for example in examples:
            file.write(json.dumps({"text": example.text, "label": example.label}, ensure_ascii=False) + "\n")


def tokenize(trefoil, model, examples):
    """Fills in the ids by the project's one tokenizer."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "texts.jsonl")
        write_jsonl(path, examples)
        done = subprocess.run([trefoil, "tokenize", "--model", model, "--input", path, "--truncate"], text=True,
                              capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    for example, line in zip(examples, done.stdout.splitlines(), strict=True):
        example.ids = json.loads(line)


def batches(examples, size):
    """Lists of examples of similar length, shortest first."""
    order = sorted(examples, key=lambda example: len(example.ids))
    return [order[i : i + size] for i in range(0, len(order), size)]


def tensors(batch, pad=0, longest=None):
    """ids, token types, mask (texts x length, cut to `longest`), labels (texts)."""
    import torch

    length = min(max(len(example.ids) for example in batch), longest or 1 << 20)
    ids = torch.full((len(batch), length), pad, dtype=torch.long)
    types = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length)
    for row, example in enumerate(batch):
        cut = example.ids[:length]
        ids[row, : len(cut)] = torch.tensor(cut)
        mask[row, : len(cut)] = 1
        if not isinstance(example.text, str):  # the second of a pair follows the first [SEP]
            types[row, cut.index(example.ids[-1]) + 1 : len(cut)] = 1
    return ids, types, mask, torch.tensor([example.label for example in batch])


def main():
    parser = argparse.ArgumentParser(description="Writes a split of a task as JSON lines.")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--split", default="validation", choices=("train", "held", "validation"))
    parser.add_argument("--data", metavar="DIR", help="where the task's files are")
    parser.add_argument("--limit", type=int, metavar="N", help="a sample of N rows, evenly spaced")
    parser.add_argument("--out", required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        examples = load(arguments.task, arguments.data)[arguments.split]
    except (OSError, ValueError) as error:
        sys.exit(f"data.py: {error}")
    if arguments.limit and arguments.limit < len(examples):
        examples = [examples[i * len(examples) // arguments.limit] for i in range(arguments.limit)]
    write_jsonl(arguments.out, examples)


if __name__ == "__main__":
    main()
