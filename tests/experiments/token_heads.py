"""Token classification, question answering and masked words: token_heads.py TREFOIL DIRECTORY.

Compares what the program finds with what Hugging Face's pipelines are documented to find, written here anew.
"""
import json
import math
import os
import subprocess
import sys

from token_models import LABELS, HIDDEN, WORDS, cut, dense, make, norm, softmax

TREFOIL, WORK = sys.argv[1], sys.argv[2]
failures = 0


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *what)


def run(arguments, model, content, suffix=".jsonl"):
    path = os.path.join(WORK, "texts" + suffix)
    open(path, "w").write(content)
    done = subprocess.run([TREFOIL] + arguments + ["--model", model, "--input", path, "--json"], capture_output=True)
    expect(done.returncode == 0, arguments, done.stderr.decode())
    return json.loads(done.stdout)["results"] if done.returncode == 0 else []


def same(got, wanted, near):
    """Equal, numbers but nearly."""
    if isinstance(wanted, float):
        return abs(got - wanted) < near
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(same(g, w, near) for g, w in zip(got, wanted))
    if isinstance(wanted, dict):
        return set(got) == set(wanted) and all(same(got[k], wanted[k], near) for k in wanted)
    return got == wanted


def tag(label):
    return (label[0], label[2:]) if label[1:2] == "-" else ("I", label)


def entities(text, scores_of, strategy):
    units, tokens = [], []
    for index, (word, start, end) in enumerate(cut(text), 1):
        tokens.append(dict(index=index, start=start, end=end, scores=scores_of[word], more=word.startswith("##")))
    if strategy in ("none", "simple"):
        words = [[t] for t in tokens]
    else:
        words = []
        for t in tokens:
            words[-1].append(t) if t["more"] and words else words.append([t])
    for word in words:
        scores = word[0]["scores"]
        if strategy == "max":
            scores = max(word, key=lambda t: max(t["scores"]))["scores"]
        if strategy == "average":
            scores = [sum(column) / len(word) for column in zip(*(t["scores"] for t in word))]
        units.append(dict(label=LABELS[scores.index(max(scores))], score=max(scores), start=word[0]["start"],
                          end=word[-1]["end"], index=word[0]["index"]))
    if strategy == "none":
        return [dict(entity=u["label"], score=u["score"], start=u["start"], end=u["end"], index=u["index"],
                     word=text[u["start"]:u["end"]]) for u in units if u["label"] != "O"]
    groups = []
    for u in units:
        if groups and tag(u["label"])[1] == tag(groups[-1][-1]["label"])[1] and tag(u["label"])[0] != "B":
            groups[-1].append(u)
        else:
            groups.append([u])
    return [dict(entity_group=tag(g[0]["label"])[1], score=sum(u["score"] for u in g) / len(g), start=g[0]["start"],
                 end=g[-1]["end"], word=text[g[0]["start"]:g[-1]["end"]]) for g in groups if g[0]["label"] != "O"]


def check_entities():
    texts = ["Anna lives in New York.", "cats and Berlin, with Annaia", "café lives!", "zebra newyorking cats",
             "Who lives in Berlin? Anna and her cats, new yorks"]
    content = "".join(json.dumps(t, ensure_ascii=False) + "\n" for t in texts)
    seen = set()
    for seed in range(3):
        head = lambda rows, rng: {"classifier.weight": rows(len(LABELS), HIDDEN), "classifier.bias": rows(1, len(LABELS))[0]}
        model, tensors, value = make("tokens%d" % seed, "BertForTokenClassification", seed, head)
        scores = {w: softmax(dense(tensors["classifier.weight"], tensors["classifier.bias"], value[w])) for w in WORDS}
        for strategy in ("none", "simple", "first", "average", "max"):
            got = run(["plain", "--aggregation", strategy], model, content)
            wanted = [dict(index=i, entities=entities(t, scores, strategy)) for i, t in enumerate(texts)]
            expect(same(got, wanted, 1e-5), strategy, seed, got, wanted)
            seen |= {e.get("entity_group") for w in wanted for e in w["entities"]}
    expect({"PER", "LOC"} <= seen, "the models find too little", seen)
    got = run(["infer", "--local", "--check", "--aggregation", "max"], model, content)
    expect(same(got, wanted, 0.01), "private", got, wanted)


def check_answers():
    question, context = "Where lives Anna?", "Anna lives with her cats in New York, and in Berlinia."
    head = lambda rows, rng: {"qa_outputs.weight": [[3 * v for v in r] for r in rows(2, HIDDEN)], "qa_outputs.bias": [0.1, -0.2]}
    content = json.dumps({"question": question, "context": context}) + "\n"
    for seed in range(3):
        model, tensors, value = make("answers%d" % seed, "BertForQuestionAnswering", seed, head)
        logit = {w: dense(tensors["qa_outputs.weight"], tensors["qa_outputs.bias"], value[w]) for w in WORDS}
        tokens = cut(context)
        places = [logit["[CLS]"]] + [logit[w] for w, _, _ in tokens]
        starts, ends = softmax([p[0] for p in places]), softmax([p[1] for p in places])
        spans = [(starts[i] * ends[j], i, j) for i in range(1, len(places)) for j in range(i, min(i + 15, len(places)))]
        wanted = []
        for score, i, j in sorted(spans, key=lambda s: -s[0])[:3]:
            start, end = tokens[i - 1][1], tokens[j - 1][2]
            while start > 0 and context[start - 1].isalpha() and context[start].isalpha():
                start -= 1
            while end < len(context) and context[end].isalpha() and context[end - 1].isalpha():
                end += 1
            wanted.append(dict(answer=context[start:end], start=start, end=end, score=score))
        wanted = [dict(index=0, answers=wanted, no_answer=starts[0] * ends[0])]
        got = run(["plain", "--top", "3"], model, content)
        expect(same(got, wanted, 1e-5), "answers", seed, got, wanted)
    wanted[0]["answers"] = wanted[0]["answers"][:1]  # the next two are equal
    got = run(["infer", "--local"], model, content)
    expect(same(got, wanted, 0.01), "private answers", got, wanted)
    single = subprocess.run([TREFOIL, "plain", "--model", model, "--text", "Who?"], capture_output=True)
    expect(single.returncode == 1 and b"takes pairs" in single.stderr, "one text", single.stderr)


def check_masks():
    head = lambda rows, rng: {"cls.predictions.transform.dense.weight": rows(HIDDEN, HIDDEN),
                              "cls.predictions.transform.dense.bias": rows(1, HIDDEN)[0],
                              "cls.predictions.transform.LayerNorm.weight": [1.0] * HIDDEN,
                              "cls.predictions.transform.LayerNorm.bias": [0.0] * HIDDEN,
                              "cls.predictions.bias": rows(1, len(WORDS))[0]}
    model, t, value = make("masks", "BertForMaskedLM", 5, head)
    inner = dense(t["cls.predictions.transform.dense.weight"], t["cls.predictions.transform.dense.bias"], value["[MASK]"])
    inner = norm([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in inner])
    logits = dense(t["embeddings.word_embeddings.weight"], t["cls.predictions.bias"], inner)
    scores = softmax(logits)
    best = sorted(range(len(WORDS)), key=lambda i: -scores[i])[:5]
    words = [dict(token=i, text=WORDS[i].replace("##", ""), score=scores[i]) for i in best]
    content = "Anna lives in [MASK].\nno mask\n\n[MASK] and [MASK]\n"
    wanted = [dict(index=0, masks=[words]), dict(index=1, masks=[]), dict(index=2, error="the text is empty"),
              dict(index=3, masks=[words, words])]
    got = run(["plain", "--fill-mask"], model, content, ".txt")
    for result in got:
        for mask in result.get("masks", []):
            for word in mask:
                word["text"] = word["text"].replace("##", "")
    expect(same(got, wanted, 1e-5), "masks", got, wanted)
    got = run(["infer", "--local", "--fill-mask", "--reveal", "logits", "--check"], model, content, ".txt")
    expect([[w["token"] for w in m] for r in got for m in r.get("masks", [])] == [best] * 3, "private words", got)
    got = run(["infer", "--local", "--fill-mask"], model, content, ".txt")
    word = dict(token=best[0], text=WORDS[best[0]])
    expect(got == [dict(index=0, masks=[[word]]), dict(index=1, masks=[]), wanted[2], dict(index=3, masks=[[word]] * 2)],
           "the likeliest words alone", got)
    for wrong, said in (("--top 3", "needs --reveal logits"), ("--check", "--reveal logits gives"),
                        ("--reveal all", "neither token nor logits")):
        done = subprocess.run([TREFOIL, "infer", "--local", "--model", model, "--text", "[MASK]", "--fill-mask",
                               *wrong.split()], capture_output=True, text=True)
        expect(done.returncode > 0 and said in done.stderr, wrong, done.stderr)
    got = run(["infer", "--local", "--fill-mask", "--reveal", "logits", "--top", "1", "--batch", "1"], model, content, ".txt")
    expect([len(r.get("masks", [])) for r in got] == [1, 0, 0, 2], "private masks", got)
    expect(all(m[0]["token"] == best[0] and abs(m[0]["score"] - scores[best[0]]) < 0.01
               for r in got for m in r.get("masks", [])), "private masks", got)
    got = run(["plain"], model, "Anna\n", ".txt")
    expect(len(got[0]["embedding"]) == HIDDEN, "without --fill-mask", got)
    table = subprocess.run([TREFOIL, "plain", "--model", model, "--text", "her [MASK]", "--fill-mask"], capture_output=True)
    expect(table.stdout.count(b"mask 1  ") == 5, "table", table.stdout)


check_entities()
check_answers()
check_masks()
sys.exit(failures > 0)
