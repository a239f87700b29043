"""Token classification, question answering and masked words: token_heads.py TREFOIL DIRECTORY.

Makes models whose layers add nothing, so that a token's logits are known, and compares what the program finds with what
Hugging Face's pipelines are documented to find, written here anew.
"""
import json
import math
import os
import random
import struct
import subprocess
import sys

TREFOIL, WORK = sys.argv[1], sys.argv[2]
WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] anna lives in new york and berlin with her cat . , ! ? ##s ##ing ##ia "
         "who where cafe").split()
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
HIDDEN = 8
failures = 0


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *what)


def make(name, architecture, seed, head):
    """A model with one layer of zeros; `head` makes the head's tensors. Returns the values of its tokens."""
    rng = random.Random(seed)
    rows = lambda n, m: [[rng.uniform(-1, 1) for _ in range(m)] for _ in range(n)]
    zeros = lambda n, m: [[0.0] * m for _ in range(n)]
    tensors = {"embeddings.word_embeddings.weight": rows(len(WORDS), HIDDEN),
               "embeddings.position_embeddings.weight": zeros(32, HIDDEN),
               "embeddings.token_type_embeddings.weight": zeros(2, HIDDEN)}
    layer = "encoder.layer.0."
    for part in ("embeddings.", layer + "attention.output.", layer + "output."):
        tensors[part + "LayerNorm.weight"], tensors[part + "LayerNorm.bias"] = [1.0] * HIDDEN, [0.0] * HIDDEN
    for dense, out, width in (("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
                              ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
                              ("intermediate.dense", 16, HIDDEN), ("output.dense", HIDDEN, 16)):
        tensors[layer + dense + ".weight"], tensors[layer + dense + ".bias"] = zeros(out, width), [0.0] * out
    tensors.update(head(rows, rng))
    path = os.path.join(WORK, name)
    os.makedirs(path)
    config = {"architectures": [architecture], "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
              "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
              "type_vocab_size": 2, "vocab_size": len(WORDS), "layer_norm_eps": 1e-12, "pad_token_id": 0}
    if "Token" in architecture:
        config["id2label"] = {str(i): label for i, label in enumerate(LABELS)}
    json.dump(config, open(path + "/config.json", "w"))
    open(path + "/vocab.txt", "w").write("\n".join(WORDS) + "\n")
    flat = lambda v: [x for row in v for x in row] if isinstance(v[0], list) else v
    header, data = {}, b""
    for key, value in tensors.items():
        part = struct.pack("<%df" % len(flat(value)), *flat(value))
        shape = [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    open(path + "/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
    value = {w: norm(norm(norm(row))) for w, row in zip(WORDS, tensors["embeddings.word_embeddings.weight"])}
    return path, tensors, value


def norm(x):
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x))
    return [(v - mean) / deviation for v in x]


def dense(weight, bias, x):
    return [sum(w * v for w, v in zip(row, x)) + b for row, b in zip(weight, bias)]


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def cut(text):
    """Tokens with their places, as BERT's tokenizer cuts these texts."""
    out, i = [], 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        end = i + 1
        while text[i].isalpha() and end < len(text) and text[end].isalpha():
            end += 1
        word = text[i:end].lower().replace("é", "e")
        pieces, at = [], 0
        while at < len(word):
            fits = [n for n in range(len(word), at, -1) if ("##" if at else "") + word[at:n] in WORDS]
            if not fits:
                pieces = [("[UNK]", i, end)]
                break
            pieces.append((("##" if at else "") + word[at:fits[0]], i + at, i + fits[0]))
            at = fits[0]
        out += pieces
        i = end
    return out


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
    got = run(["infer", "--local", "--fill-mask", "--top", "1", "--batch", "1"], model, content, ".txt")
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
