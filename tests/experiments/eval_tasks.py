"""eval of tags, answers and sets of labels, and several metrics at once: eval_tasks.py TREFOIL DIRECTORY.

Predictions and metrics are computed here anew: entities as seqeval's default mode defines them, answers as SQuAD's
evaluation does, sets as scikit-learn does.
"""
import collections
import json
import math
import os
import random
import re
import string
import subprocess
import sys

from token_models import LABELS, HIDDEN, WORDS, cut, dense, make, softmax

TREFOIL, WORK = sys.argv[1], sys.argv[2]
failures = 0


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *what)


def evaluate(model, data, *options, fails=None, out="results.jsonl", keep=False):
    path = os.path.join(WORK, out)
    if os.path.exists(path) and not keep:
        os.remove(path)
    if not isinstance(data, str):
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in data)
    source = os.path.join(WORK, "data.jsonl")
    open(source, "w").write(data)
    done = subprocess.run([TREFOIL, "eval", "--model", model, "--data", source, "--out", path, "--json", *options],
                          capture_output=True, text=True)
    if fails:
        return expect(done.returncode and fails in done.stderr, options, fails, done.stderr)
    expect(done.returncode == 0, options, done.stderr)
    lines = [json.loads(line) for line in open(path)] if done.returncode == 0 else []
    return (json.loads(done.stdout) if done.returncode == 0 else {}), lines


def near(got, wanted, error=1e-6):
    return got.keys() == wanted.keys() and all(abs(got[k] - wanted[k]) < error for k in wanted)


# ---- Tags of words ----

def chunks(tags):
    """seqeval's get_entities."""
    found, begin, before = set(), 0, "O"
    kind = lambda tag: tag.split("-", 1)[1] if "-" in tag else ""
    for i, tag in enumerate(tags + ["O"]):
        starts = tag[0] == "B" or (tag != "O" and (before == "O" or kind(before) != kind(tag)))
        if before != "O" and (tag == "O" or starts):
            found.add((kind(before), begin, i - 1))
        if starts:
            begin = i
        before = tag
    return found


def check_tags():
    rng = random.Random(7)
    words = ["Anna", "lives", "in", "New", "York", "and", "Berlinia", "cats", ".", "zebra"]
    texts = [[rng.choice(words) for _ in range(rng.randint(1, 9))] for _ in range(24)]
    truths = [[rng.choice(LABELS) for _ in t] for t in texts]
    head = lambda rows, rng: {"classifier.weight": rows(len(LABELS), HIDDEN), "classifier.bias": rows(1, len(LABELS))[0]}
    model, tensors, value = make("tags", "BertForTokenClassification", 3, head)
    logit = {w: dense(tensors["classifier.weight"], tensors["classifier.bias"], value[w]) for w in WORDS}
    best = lambda word: LABELS[max(range(len(LABELS)), key=lambda i: logit[cut(word)[0][0]][i])]
    predicted = [[best(w) for w in t] for t in texts]
    pairs = [(chunks(t), chunks(p)) for t, p in zip(truths, predicted)]
    hits, true, claims = (sum(len(f(a, b)) for a, b in pairs) for f in (lambda a, b: a & b, lambda a, b: a, lambda a, b: b))
    right = sum(a == b for t, p in zip(truths, predicted) for a, b in zip(t, p))
    wanted = {"f1": 2 * hits / (true + claims), "precision": hits / claims, "recall": hits / true,
              "accuracy": right / sum(map(len, texts))}
    expect(0 < wanted["f1"] < 1, "the case tells nothing", wanted)
    data = [{"id": i, "tokens": t, "ner_tags": tags if i % 2 else [LABELS.index(x) for x in tags]}
            for i, (t, tags) in enumerate(zip(texts, truths))]
    metrics = "f1,precision,recall,accuracy"
    summary, lines = evaluate(model, data, "--plain", "--metric", metrics)
    expect(summary["metric"] == "f1" and near(summary["metrics"], wanted), summary, wanted)
    expect([line["prediction"] for line in lines[1:]] == predicted, "predictions", lines[1], predicted[0])
    expect(len(lines[1]["logits"]) == len(texts[0]) and len(lines[1]["logits"][0]) == len(LABELS), "logits", lines[1])
    summary, lines = evaluate(model, data, "--local", "--check", "--batch", "5", "--metric", metrics)
    expect(near(summary["metrics"], wanted) and near(summary["plain_metrics"], wanted), "private", summary)
    expect(summary["agreement"] == 1 and 0 < summary["max_abs_error"] < 0.02, "private", summary)
    check_resumed(model, data, lines, summary, metrics)
    expect(summary["value"] == evaluate(model, data, "--plain")[0]["value"], "f1 is usual")
    check_cut_tags(model)
    evaluate(model, data, "--plain", "--metric", "f1,macro-f1", 
             fails="--metric macro_f1 is for models that give a label or give sets of labels; this one tags words: use accuracy, f1")
    evaluate(model, [{"tokens": ["a", "b"], "ner_tags": ["O"]}], "--plain", fails="line 1: 2 words, but 1 tags")
    evaluate(model, [{"tokens": ["a"], "ner_tags": [9]}], "--plain", fails="line 1: a tag is neither a name nor the number")
    evaluate(model, [{"text": "a", "label": "O"}], "--plain", fails="line 1: the text is not a list of words")


def check_resumed(model, data, lines, summary, metrics):
    """A file that was cut off in the middle of a line is gone on with."""
    path = os.path.join(WORK, "results.jsonl")
    whole = open(path).read().splitlines(True)
    open(path, "w").write("".join(whole[:9]) + whole[9][:20])
    again, same = evaluate(model, data, "--local", "--check", "--batch", "5", "--metric", metrics, keep=True)
    expect(again["computed"] == len(data) - 8 and near(again["metrics"], summary["metrics"]), "resumed", again)
    expect([line.get("prediction") for line in same] == [line.get("prediction") for line in lines], "resumed lines")


def check_cut_tags(model):
    """Words that are cut off count as O; a word of white space alone has no token, and a text may have spaces in words."""
    text = ["Anna"] * 10
    summary, lines = evaluate(model, [{"tokens": text, "ner_tags": ["B-PER"] * 10}], "--plain", "--max-length", "6")
    whole, _ = evaluate(model, [{"tokens": text, "ner_tags": ["B-PER"] * 10}], "--plain")
    expect(lines[1]["prediction"][4:] == ["O"] * 6 and lines[1]["prediction"][0] != "O", "cut off", lines[1])
    _, lines = evaluate(model, [{"tokens": ["New York", " ", "Anna"], "tags": ["B-LOC", "O", "B-PER"]}], "--plain")
    expect(len(lines[1]["prediction"]) == 3 and lines[1]["prediction"][1] == "O", "odd words", lines[1])


# ---- Answers ----

def normalise(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(given, truth):
    a, b = normalise(given).split(), normalise(truth).split()
    both = sum((collections.Counter(a) & collections.Counter(b)).values())
    return float(a == b) if not a or not b else 2 * both / (len(a) + len(b))


def answer(model_logit, question, context, silent):
    tokens = cut(context)
    places = [model_logit["[CLS]"]] + [model_logit[w] for w, _, _ in tokens]
    starts, ends = softmax([p[0] for p in places]), softmax([p[1] for p in places])
    spans = [(starts[i] * ends[j], -i, -j) for i in range(1, len(places)) for j in range(i, min(i + 15, len(places)))]
    score, i, j = max(spans)
    if silent and starts[0] * ends[0] > score:
        return ""
    start, end = tokens[-i - 1][1], tokens[-j - 1][2]
    while start > 0 and context[start - 1].isalpha() and context[start].isalpha():
        start -= 1
    while end < len(context) and context[end].isalpha() and context[end - 1].isalpha():
        end += 1
    return context[start:end]


def check_answers():
    contexts = ["Anna lives with her cats in New York, and in Berlinia.", "Berlin! Where? In New York.",
                "Who lives in the cafe and where?", "her cat, her cats and a zebra"]
    golds = [["New York", "Berlinia"], ["in New York."], ["cafe"], ["the cats", "a cat"]]
    head = lambda rows, rng: {"qa_outputs.weight": [[3 * v for v in r] for r in rows(2, HIDDEN)], "qa_outputs.bias": [0.1, -0.2]}
    for seed in range(3):
        model, tensors, value = make("qa%d" % seed, "BertForQuestionAnswering", seed, head)
        logit = {w: dense(tensors["qa_outputs.weight"], tensors["qa_outputs.bias"], value[w]) for w in WORDS}
        for silent in (False, True):
            truths = golds + [[]] * silent
            data = [{"id": "x", "title": "t", "question": "Where?", "context": c,
                     "answers": {"text": g, "answer_start": [0] * len(g)} if i % 2 else g}
                    for i, (c, g) in enumerate(zip(contexts + contexts[:1] * silent, truths))]
            given = [answer(logit, d["question"], d["context"], silent) for d in data]
            exact = [max([normalise(a) == normalise(g) for g in t] or [a == ""]) for a, t in zip(given, truths)]
            scores = [max([f1(a, g) for g in t] or [float(a == "")]) for a, t in zip(given, truths)]
            wanted = {"exact_match": sum(exact) / len(data), "f1": sum(scores) / len(data)}
            summary, lines = evaluate(model, data, "--plain")
            expect(near(summary["metrics"], wanted), seed, silent, summary, wanted)
            expect([line["prediction"] for line in lines[1:]] == given, seed, silent, lines[1:], given)
    summary, _ = evaluate(model, data, "--local", "--check", "--metric", "f1")
    expect(near(summary["metrics"], {"f1": wanted["f1"]}) and summary["agreement"] == 1, "private", summary)
    evaluate(model, [{"question": "a", "context": "b", "answers": [3]}], "--plain", fails="line 1: an answer is neither")
    evaluate(model, [{"question": "a", "context": "b", "label": "3"}], "--plain", fails="line 1: the label is not a list")


# ---- Sets of labels, and several metrics of one label ----

def classifier(name, seed, labels, **more):
    """One whose attention adds something, so that the first token knows of the others."""
    attention = "encoder.layer.0.attention."
    head = lambda rows, rng: {"pooler.dense.weight": rows(HIDDEN, HIDDEN), "pooler.dense.bias": rows(1, HIDDEN)[0],
                              "classifier.weight": rows(labels, HIDDEN), "classifier.bias": [0.0] * labels,
                              attention + "self.value.weight": rows(HIDDEN, HIDDEN),
                              attention + "output.dense.weight": rows(HIDDEN, HIDDEN)}
    more["id2label"] = {str(i): "label %d" % i for i in range(labels)}
    return make(name, "BertForSequenceClassification", seed, head, more)[0]


def check_sets():
    rng = random.Random(5)
    labels, texts = 4, [" ".join(rng.choice(WORDS[5:]) for _ in range(4)) for _ in range(20)]
    model = classifier("sets", 2, labels, problem_type="multi_label_classification")
    sets = [sorted(rng.sample(range(labels), rng.randint(0, 3))) for _ in texts]
    forms = [lambda s: s, lambda s: ["label %d" % k for k in s], lambda s: [float(k in s) for k in range(labels)],
             lambda s: [k in s for k in range(labels)], lambda s: [int(k in s) for k in range(labels)]]
    data = [{"text": t, "labels": forms[i % len(forms)](s)} for i, (t, s) in enumerate(zip(texts, sets))]
    summary, lines = evaluate(model, data, "--plain")
    found = [[k for k in range(labels) if line["logits"][k] > 0] for line in lines[1:]]
    expect([line["prediction"] for line in lines[1:]] == [["label %d" % k for k in f] for f in found], "sets", lines[1])
    count = lambda test: sum(test(k, s, f) for s, f in zip(sets, found) for k in range(labels))
    micro = 2 * count(lambda k, s, f: k in s and k in f) / count(lambda k, s, f: (k in s) + (k in f))
    macro = [(sum(k in s and k in f for s, f in zip(sets, found)), sum((k in s) + (k in f) for s, f in zip(sets, found)))
             for k in range(labels)]
    wanted = {"micro_f1": micro, "macro_f1": sum(2 * h / c if c else 0 for h, c in macro) / labels,
              "exact_match": sum(s == f for s, f in zip(sets, found)) / len(sets)}
    expect(near(summary["metrics"], wanted) and 0 < micro < 1, summary, wanted)
    expect(len(set(map(tuple, found))) > 1, "all texts are alike", found)
    private, _ = evaluate(model, data, "--local", "--check", "--metric", "exact-match,micro-f1")
    expect(private["metric"] == "exact_match" and private["max_abs_error"] < 0.02, "private sets", private)
    evaluate(model, [{"text": "anna", "labels": [7]}], "--plain", fails="line 1: a label is none of the model's")
    two = classifier("two sets", 2, 2, problem_type="multi_label_classification")
    evaluate(two, [{"text": "anna", "labels": [0, 1]}], "--plain", fails="line 1: two numbers 0 or 1 may be")


def check_labels():
    rng = random.Random(6)
    model = classifier("labels", 5, 2)
    data = [{"text": " ".join(rng.choice(WORDS[5:]) for _ in range(3)), "label": rng.randint(0, 1)} for _ in range(30)]
    summary, lines = evaluate(model, data, "--plain", "--metric", "accuracy,f1,macro-f1,matthews,pearson,spearman,accuracy")
    truth = [d["label"] for d in data]
    given = [int(line["logits"][1] > line["logits"][0]) for line in lines[1:]]
    tally = lambda t, g: sum(a == t and b == g for a, b in zip(truth, given))
    tp, fp, fn, tn = tally(1, 1), tally(0, 1), tally(1, 0), tally(0, 0)
    rank = lambda v: [sum(b < a for b in v) + (sum(b == a for b in v) - 1) / 2 for a in v]
    scores = [1 / (1 + math.exp(line["logits"][0] - line["logits"][1])) for line in lines[1:]]
    wanted = {"accuracy": (tp + tn) / 30, "f1": 2 * tp / (2 * tp + fp + fn),
              "macro_f1": tp / (2 * tp + fp + fn) + tn / (2 * tn + fp + fn),
              "matthews": (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
              "pearson": correlation(truth, scores), "spearman": correlation(rank(truth), rank(scores))}
    expect(near(summary["metrics"], wanted) and len(set(given)) == 2, summary, wanted)
    expect(summary["metric"] == "accuracy" and summary["value"] == summary["metrics"]["accuracy"], "the first", summary)
    evaluate(model, data, "--plain", "--metric", "accuracy,f2", fails="--metric 'f2' is unknown; known are accuracy, f1")
    evaluate(model, data, "--plain", "--metric", "", fails="--metric '' is unknown")


def correlation(x, y):
    mx, my = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y))
    return xy / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


check_tags()
check_answers()
check_sets()
check_labels()
sys.exit(failures > 0)
