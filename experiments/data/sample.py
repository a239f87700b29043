#!/usr/bin/env python3
"""Draws the Banking77 sample shipped here: sample.py DIR, where DIR holds Banking77's train.csv and test.csv."""
import csv
import pathlib
import sys

INTENTS = """activate_my_card age_limit apple_pay_or_google_pay cancel_transfer card_arrival card_swallowed change_pin
edit_personal_details exchange_rate lost_or_stolen_card pin_blocked request_refund terminate_account
transfer_timing""".split()
TRAIN_PER_INTENT, QUERIES = 20, 24
HERE = pathlib.Path(__file__).parent


def read(path):
    """The messages of each intent, one line each, without those that hold no plain line of text."""
    texts = {intent: [] for intent in INTENTS}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = row["text"].strip()
            if row["category"] in texts and text.isprintable() and text not in texts[row["category"]]:
                texts[row["category"]].append(text)
    return texts


def spread(items, count):
    """`count` of the items, evenly spaced."""
    return [items[i * len(items) // count] for i in range(count)]


def write_table(name, rows):
    lines = ["text\tlabel"] + [f"{text}\t{intent}" for text, intent in rows]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


source = pathlib.Path(sys.argv[1])
train = {intent: spread(texts, TRAIN_PER_INTENT) for intent, texts in read(source / "train.csv").items()}
write_table("banking77_sample.tsv", [(text, intent) for intent in INTENTS for text in train[intent]])

# Turns through the intents, so that neighbouring queries differ; none is in the sample.
test = {i: spread([t for t in texts if t not in train[i]], 2) for i, texts in read(source / "test.csv").items()}
queries = [(test[intent][turn], intent) for turn in range(2) for intent in INTENTS][:QUERIES]
write_table("banking77_queries.tsv", queries)
(HERE / "banking77_queries.txt").write_text("".join(text + "\n" for text, _ in queries), encoding="utf-8")
