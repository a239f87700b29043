"""Models with results for each token, for run_gateway_tokens.sh: gateway_tokens.py make DIRECTORY, and compare.

compare KIND ANSWER INFER: whether what the gateway answered is what infer found, in the form of Hugging Face's pipelines.
"""
import json
import sys


def make():
    from token_models import HIDDEN, LABELS, WORDS, make as model
    head = lambda n, name: lambda rows, rng: {name + ".weight": rows(n, HIDDEN), name + ".bias": rows(1, n)[0]}
    model("tokens", "BertForTokenClassification", 1, head(len(LABELS), "classifier"))
    model("answers", "BertForQuestionAnswering", 1, head(2, "qa_outputs"))
    model("masks", "BertForMaskedLM", 5, lambda rows, rng: {
        "cls.predictions.transform.dense.weight": rows(HIDDEN, HIDDEN),
        "cls.predictions.transform.dense.bias": rows(1, HIDDEN)[0],
        "cls.predictions.transform.LayerNorm.weight": [1.0] * HIDDEN,
        "cls.predictions.transform.LayerNorm.bias": [0.0] * HIDDEN,
        "cls.predictions.bias": rows(1, len(WORDS))[0]})


def same(got, wanted):
    """Equal, scores but nearly: the fixed-point numbers of two runs are rounded differently."""
    if isinstance(wanted, float):
        return abs(got - wanted) < 0.01
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, dict):
        return set(got) == set(wanted) and all(same(got[key], wanted[key]) for key in wanted)
    return got == wanted


def compare(kind, answer, infer):
    got, results = json.load(open(answer)), json.load(open(infer))["results"]
    if kind == "tokens":
        wanted = [r["entities"] for r in results]
        assert any(wanted), "the model finds nothing"
        for entity in sum(wanted, []):  # what was not put together has its label twice
            if "entity" in entity:
                entity["entity_group"] = entity["entity"]
    elif kind == "answers":
        wanted = [r["answers"][0] for r in results]
    else:
        said = lambda word: dict(score=word["score"], token=word["token"], token_str=word["text"],
                                 sequence="anna lives in %s." % word["text"])
        wanted = [[said(word) for word in r["masks"][0]] for r in results]
    wanted = wanted if isinstance(got, list) and len(results) > 1 else wanted[0]
    assert same(got, wanted), "%s\n in place of\n%s" % (json.dumps(got), json.dumps(wanted))


make() if sys.argv[1] == "make" else compare(*sys.argv[2:])
