"""What run_stories.sh runs: stories_selftest.py TREFOIL WORK_DIRECTORY STORIES15M"""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FINETUNE = os.path.join(ROOT, "experiments", "finetune")
sys.path.insert(0, FINETUNE)

import torch  # noqa: E402

import llama  # noqa: E402
import stories  # noqa: E402
from approximations import Approximations  # noqa: E402

TREFOIL, WORK, MODEL = sys.argv[1:]
SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 2, "max_position_embeddings": 24}


def in_c(directory, approx):
    """The ids of a prompt and what trefoil thinks of the two tokens after it: the three best of each."""
    prompt = "Once upon a time"
    done = subprocess.run([TREFOIL, "tokenize", "--model", directory, "--text", prompt], check=True, text=True,
                          capture_output=True)
    ids = json.loads(done.stdout)
    done = subprocess.run([TREFOIL, "generate", "--plain", "--model", directory, "--prompt", prompt, "--max-tokens", "2",
                           "--ignore-eos", "--logprobs", "3", "--approx", approx, "--json"], check=True, text=True,
                          capture_output=True)
    [result] = json.loads(done.stdout)["results"]
    assert len(ids) == result["prompt_tokens"], (ids, result)
    return ids + result["tokens"], result["logprobs"]


def forward_is_trefoils(directory):
    model = llama.load(directory)[0].eval()
    for approx in ("exact", "paper", "gelu=relu,softmax@1=relu,layernorm2=center"):
        ids, steps = in_c(directory, approx)
        model.approx = Approximations(model.layers, approx)
        past = [[] for _ in model.blocks]
        with torch.no_grad():
            whole = model(torch.tensor([ids[:-1]]))[0][0].log_softmax(-1)
            first = model(torch.tensor([ids[:3]]), past)[0][0]
            rest = model(torch.tensor([ids[3:-1]]), past)[0][0]
        assert (torch.cat([first, rest]).log_softmax(-1) - whole).abs().max() < 1e-3, "cached differs from uncached"
        for step, row in zip(steps, whole[-2:]):
            for best in step["top"]:
                assert abs(float(row[best["token"]]) - best["logprob"]) < 2e-3, (approx, best, float(row[best["token"]]))


def draws_follow_the_model():
    model = llama.load(os.path.join(WORK, "small"))[0].eval()
    with torch.no_grad():
        model.embed_tokens.weight[40:] = 0
        model.embed_tokens.weight[40:] -= 30 * torch.sign(model.norm.weight)  # all but forty words hardly occur
        wanted = model(torch.tensor([[model.begin]]))[0][0, 0].softmax(-1)
    ids = model.write(4000, 2, torch.Generator().manual_seed(1))[:, 1]
    counts = torch.bincount(ids, minlength=len(wanted)).double()
    likely = wanted * 4000 > 5
    chi = float(((counts - 4000 * wanted) ** 2 / (4000 * wanted))[likely].sum())
    free = int(likely.sum()) - 1
    assert free > 3 and chi < free + 5 * (2 * free) ** 0.5, (chi, free)


def starts_fit(directory):
    """Each fit brings the substituted model nearer to the original."""
    def logits(model, ids):
        with torch.no_grad():
            return model(ids)[0]

    ids = llama.load(directory)[0].eval().write(8, 24, torch.Generator().manual_seed(2))
    for kind, block, variant in (("gelu", 1, "relu"), ("layernorm1", 1, "center"), ("layernorm2", 1, "center"),
                                 ("layernorm", -1, "center")):
        fitted, crude = (llama.load(directory)[0].eval() for _ in range(2))
        original = logits(fitted, ids)
        stories.FITS[kind, "exact", variant](fitted, block, list(ids), 0)
        fitted.approx.variant[kind, block] = crude.approx.variant[kind, block] = variant
        far = [float((logits(model, ids) - original).abs().mean()) for model in (fitted, crude)]
        assert far[0] < 0.95 * far[1], (kind, far)


def what_is_frozen_stays(directory):
    model = llama.load(directory)[0]
    for block, embeddings, trained in ((1, False, {"blocks.1", "norm"}), (0, False, {"blocks.0", "blocks.1", "norm"}),
                                       (-1, False, {"blocks.0", "blocks.1", "norm"}),
                                       (-1, True, {"blocks.0", "blocks.1", "norm", "embed_tokens"})):
        model.freeze_below(block, embeddings)
        names = {".".join(name.split(".")[: 2 if name.startswith("blocks") else 1])
                 for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert names == trained, (block, embeddings, names)


def a_run_ends_and_resumes(directory):
    out = os.path.join(WORK, "adapted")
    command = [sys.executable, os.path.join(FINETUNE, "stories.py"), "--model", directory, "--out", out, "--stories", "16",
               "--held", "8", "--length", "16", "--slice", "0.5", "--rounds", "1"]
    subprocess.run(command, check=True, capture_output=True)
    with open(os.path.join(out, "finetune.json"), encoding="utf-8") as file:
        record = json.load(file)
    assert record["task"] == "stories" and len(record["history"]) == 4 * (2 + 1) + 1, record
    assert {"accuracy", "perplexity", "largest"} <= set(record["validation"]), record
    for stage in ("1-gelu", "2-softmax", "3-layernorm1", "4-layernorm2"):
        ids, _ = in_c(os.path.join(out, "stages", stage), record["approx"])
        assert len(ids) > 2
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "resumed after 13 steps" in again.stderr, again.stderr
    other = subprocess.run(command + ["--rate", "1e-5"], check=False, capture_output=True, text=True)
    assert other.returncode == 1 and "other settings" in other.stderr, other.stderr


def main():
    forward_is_trefoils(MODEL)
    model, config = llama.load(MODEL)
    config = config | SMALL
    torch.manual_seed(3)
    model = llama.Llama(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1), std=0.3)
    small = os.path.join(WORK, "small")
    llama.save(small, model, config, MODEL)
    forward_is_trefoils(small)
    draws_follow_the_model()
    starts_fit(MODEL)
    what_is_frozen_stays(small)
    a_run_ends_and_resumes(small)


main()
