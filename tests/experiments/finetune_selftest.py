"""What run_finetune.sh runs: finetune_selftest.py TREFOIL WORK_DIRECTORY"""

import copy
import json
import os
import random
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FINETUNE = os.path.join(ROOT, "experiments", "finetune")
sys.path.insert(0, FINETUNE)

import numpy  # noqa: E402
import torch  # noqa: E402

import algorithm2  # noqa: E402
import checkpoint  # noqa: E402
import data  # noqa: E402
import metrics  # noqa: E402
import safetensors  # noqa: E402
import training  # noqa: E402
from approximations import Approximations  # noqa: E402
from model import Bert  # noqa: E402

TREFOIL, WORK = sys.argv[1:]
GOOD, BAD = ["good", "fine", "lovely"], ["bad", "awful", "dull"]
OTHERS = ["film", "it", "was", "is", "a", "the", "plot", "and", "acting"]
FORWARD = ("exact", "paper", "gelu=relu,softmax@1=relu,layernorm@0=center", "puma", "mpcformer", "layernorm1=center",
           "gelu=poly4,softmax=relu_n,layernorm2@1=center", "paper,softmax=power:4,layernorm@-1=exact")
FITS = (("gelu", 1, "relu"), ("softmax", 1, "relu"), ("layernorm1", 1, "center"), ("layernorm2", 1, "center"),
        ("layernorm", -1, "center"))
CONFIG = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": 16,
    "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0,
}


def make_model(directory):
    os.makedirs(directory)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + GOOD + BAD + OTHERS
    with open(os.path.join(directory, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(words) + "\n")
    config = CONFIG | {"vocab_size": len(words)}
    torch.manual_seed(3)
    model = Bert(config, 2)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
        else:
            torch.nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.2)
    checkpoint.save(directory, model, config, ["one", "two"], directory)


def make_data(directory):
    """In the form of SST-2: a good or a bad word among others."""
    os.makedirs(directory)
    draw = random.Random(5)
    for name, count in (("train.tsv", 400), ("dev.tsv", 60)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write("sentence\tlabel\n")
            for _ in range(count):
                label = draw.randrange(2)
                words = draw.choices(OTHERS, k=draw.randrange(2, 9)) + [draw.choice(GOOD if label else BAD)]
                draw.shuffle(words)
                file.write(f"{' '.join(words)} \t{label}\n")


def logits_in_c(directory, path, approx):
    command = [TREFOIL, "plain", "--model", directory, "--input", path, "--json"] + (["--approx", approx] if approx else [])
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    return torch.tensor([result["logits"] for result in json.loads(done.stdout)["results"]])


def logits_in_python(directory, examples, labels, approx):
    model, _, fits = checkpoint.load(directory, labels)
    assert fits
    if approx:
        model.approx = Approximations(model.layers, approx)
    model.eval()
    ids, types, mask, _ = data.tensors(examples)
    with torch.no_grad():
        return model(ids, types, mask)[0]


def test_forward(directory):
    texts = ["good film", "it was a bad film and the acting was awful", "lovely", ("the plot is dull", "a fine plot")]
    for kind, examples in (("texts", [data.Example(t, 0) for t in texts if isinstance(t, str)]),
                           ("pairs", [data.Example(t if isinstance(t, tuple) else (t, "it is"), 0) for t in texts])):
        path = os.path.join(WORK, f"{kind}.jsonl")
        data.write_jsonl(path, examples)
        data.tokenize(TREFOIL, directory, examples)
        for approx in FORWARD:
            difference = logits_in_python(directory, examples, ["one", "two"], approx) - logits_in_c(directory, path, approx)
            assert difference.abs().max() < 1e-3, (kind, approx, difference)


def run(out, approx, model, *more, kill_after=None):
    """Runs finetune.py; with kill_after, until its state has so many steps, then kills it."""
    command = ["/usr/bin/python3", os.path.join(FINETUNE, "finetune.py"), "--model", model, "--task", "sst2", "--data",
               os.path.join(WORK, "data"), "--approx", approx, "--out", out, "--trefoil", TREFOIL, "--threads", "1", *more]
    if kill_after is None:
        return subprocess.run(command, text=True, capture_output=True, check=False)
    state = os.path.join(out, "state.pt")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if os.path.exists(state) and checkpoint.load_state(state)["step"] >= kill_after:
                process.kill()
                process.wait()
                return None
            time.sleep(0.005)
    raise AssertionError("the run ended before it could be killed")


def works(*arguments, **named):
    done = run(*arguments, **named)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_runs(model):
    base, whole, cut = (os.path.join(WORK, name) for name in ("base", "whole", "cut"))
    works(base, "exact", model, "--rate", "1e-2", "--epochs", "12", "--slice", "1")
    config = checkpoint.read_config(base)
    assert config["architectures"] == ["BertForSequenceClassification"] and "trefoil_approx" not in config
    effort = ["--rate", "3e-3", "--slice", "0.5", "--together", "0.5", "--final", "0.5"]
    works(whole, "paper", base, *effort)
    assert checkpoint.read_config(whole)["trefoil_approx"] == "paper"
    record = json.load(open(os.path.join(whole, "finetune.json"), encoding="utf-8"))
    assert [h["block"] for h in record["history"]] == [1, 0, None] * 3 + [1, 0, -1, None]
    assert record["validation"]["accuracy"] >= record["original"]["validation"]["accuracy"] - 2
    assert record["original"]["validation"]["accuracy"] > 90
    stages = sorted(os.listdir(os.path.join(whole, "stages")))
    assert stages == ["1-gelu", "2-softmax", "3-layernorm1", "4-layernorm2"]

    run(cut, "paper", base, *effort, kill_after=3)
    assert "resumed after" in works(cut, "paper", base, *effort)
    for name in ("model.safetensors", "stages/1-gelu/model.safetensors", "stages/4-layernorm2/model.safetensors"):
        with open(os.path.join(whole, name), "rb") as a, open(os.path.join(cut, name), "rb") as b:
            assert a.read() == b.read(), f"{name} differs after a kill"
    taught = os.path.join(WORK, "taught")
    works(taught, "paper", base, *effort, "--distill", "0.7")
    records = [json.load(open(os.path.join(d, "finetune.json"), encoding="utf-8"))["history"] for d in (whole, taught)]
    assert records[0][:-1] == records[1][:-1] and records[0][-1] != records[1][-1], "the teacher comes in at the end only"
    done = run(os.path.join(WORK, "none"), "paper", base, "--distill", "1.5")
    assert done.returncode == 1 and "from 0 to 1" in done.stderr, done.stderr
    done = run(cut, "paper", base, "--rate", "1e-3")
    assert done.returncode == 1 and "other settings" in done.stderr, done.stderr
    done = run(os.path.join(WORK, "none"), "paper", model)
    assert done.returncode == 1 and "--approx exact" in done.stderr, done.stderr

    # the program picks the approximations up by itself
    examples = data.load("sst2", os.path.join(WORK, "data"))["validation"]
    path = os.path.join(WORK, "validation.jsonl")
    data.write_jsonl(path, examples)
    data.tokenize(TREFOIL, whole, examples)
    for directory in (whole, os.path.join(whole, "stages", "2-softmax")):
        labels = list(data.TASKS["sst2"].labels)
        difference = logits_in_python(directory, examples, labels, None) - logits_in_c(directory, path, None)
        assert difference.abs().max() < 1e-3, directory


def test_teacher(directory):
    """Its loss is least where student and teacher agree, reaches no weight of the teacher, and alone brings a student to it."""
    teacher, student = (checkpoint.load(directory, ["one", "two"])[0].eval() for _ in range(2))
    with torch.no_grad():
        teacher.classifier.weight += torch.linspace(-1, 1, teacher.classifier.weight.numel()).view_as(teacher.classifier.weight)
    examples = [data.Example("", 0, [2, 5 + i % 6, 6 + i % 5, 3]) for i in range(64)]
    ids, types, mask, _ = data.tensors(examples)

    def apart():
        with torch.no_grad():
            return float((student(ids, types, mask)[0] - teacher(ids, types, mask)[0]).diff().abs().mean())

    own = teacher(ids, types, mask)[0].detach()
    alone = training.Teacher(teacher, 1.0)
    zero = torch.tensor(0.0)
    assert abs(float(alone.loss(ids, types, mask, own, zero))) < 1e-6
    assert float(alone.loss(ids, types, mask, own + torch.tensor([1.0, -1.0]), zero)) > 0.1
    assert abs(float(training.Teacher(teacher, 0.25).loss(ids, types, mask, own, torch.tensor(2.0))) - 1.5) < 1e-6
    before, weights = apart(), copy.deepcopy(teacher.state_dict())
    trainer = training.Trainer({"train": examples, "held": examples}, data.TASKS["sst2"], Silent())
    trainer.train(student, 0, 640, 1e-2, "teacher", float("inf"), teacher=alone)
    student.eval()
    assert apart() < 0.5 * before, (before, apart())
    assert all(torch.equal(t, weights[name]) for name, t in teacher.state_dict().items())


class Silent:
    def line(self, text):
        pass

    def bar(self, *_):
        pass


def test_revert(directory):
    """A replacement that costs more than two points leaves neither weights nor approximations behind."""
    model, _, _ = checkpoint.load(directory, ["one", "two"])
    examples = [data.Example("", i % 2, [2, 5 + i % 6, 3]) for i in range(64)]
    trainer = training.Trainer({"train": examples, "held": examples}, data.TASKS["sst2"], Silent())
    before = {name: t.clone() for name, t in model.state_dict().items()}
    score, now = {"accuracy": 88.0, "largest": 1.0}, {"accuracy": 89.0, "largest": 1.0}
    trainer.evaluate = lambda *_: score
    effort = algorithm2.Effort(1e-2, 32, 2, 0, 0)
    target = Approximations(2, "paper")
    stage = algorithm2.STAGES[2]
    record, used = algorithm2.one_block(model, trainer, effort, target, (stage, 1), 90.0, now, 0)
    assert not record["kept"] and record["scores"] is now and used == 64 and len(record["tried"]) == 2
    assert model.approx.text() == "exact"
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    record, used = algorithm2.one_block(model, trainer, effort, target, (stage, 1), 89.9, now, 0)
    assert record["kept"] and used == 32 and model.approx.variant["layernorm1", 1] == "center"
    changed = {name for name, t in model.state_dict().items() if not torch.equal(t, before[name])}
    assert changed and not any("layer.0." in name or name.startswith("embeddings") for name in changed), changed


def test_fits(directory):
    """The fits change nothing of the original and bring what takes its place nearer to it."""
    examples = [data.Example("", 0, [2] + [5 + (i * j) % 15 for j in range(1, 3 + i % 8)] + [3]) for i in range(64)]
    trainer = training.Trainer({"train": examples, "held": examples}, data.TASKS["sst2"], Silent())
    ids, types, mask, _ = data.tensors(examples)

    def logits(model):
        model.eval()
        with torch.no_grad():
            return model(ids, types, mask)[0]

    def wide():
        """With LayerNorms that have something to divide by."""
        model, _, _ = checkpoint.load(directory, ["one", "two"])
        with torch.no_grad():
            model.encoder.layer[1].output.dense.weight *= 4
            model.encoder.layer[1].attention.output.dense.weight *= 4
            model.embeddings.word_embeddings.weight *= 4
        return model

    for kind, block, variant in FITS:
        fitted, crude = wide(), wide()
        original = logits(fitted)
        crude.approx.variant[kind, block] = variant
        stage = "layernorm2" if block < 0 else kind
        algorithm2.substitute(fitted, trainer, stage, block, variant, 0)
        assert fitted.approx.variant[kind, block] == variant
        error = [float((logits(model) - original).abs().mean()) for model in (fitted, crude)]
        assert error[0] < 0.9 * error[1], (kind, error)
        if kind == "softmax":
            fitted.approx.variant[kind, block] = "exact"
            assert (logits(fitted) - original).abs().max() < 1e-3


def test_parts():
    for text in ("exact", "paper", "gelu=relu,softmax=relu,layernorm=center,layernorm@-1=exact",
                 "gelu=relu,softmax=exact,layernorm=exact,layernorm1=center,layernorm1@0=exact"):
        assert Approximations(3, text).text() == text
    mixed = Approximations(3, "paper,layernorm1@1=exact,softmax@0=exact,gelu=exact")
    assert Approximations(3, mixed.text()).variant == mixed.variant
    assert Approximations(3, "layernorm1@2=exact,layernorm1=center").variant["layernorm1", 2] == "exact"
    assert Approximations(3, "layernorm1=center").variant["layernorm", -1] == "exact"
    for text in ("fast", "gelu=fast", "noise=relu", "gelu=relu,paper"):
        try:
            Approximations(2, text)
        except ValueError:
            continue
        raise AssertionError(f"{text} was accepted")

    predicted, true = [1, 1, 0, 0, 1], [1, 0, 0, 1, 1]
    assert abs(metrics.accuracy(predicted, true) - 0.6) < 1e-9
    assert abs(metrics.f1(predicted, true) - 2 / 3) < 1e-9
    assert abs(metrics.matthews(predicted, true) - 1 / 6) < 1e-9

    hidden = [torch.tensor([[[3.0, -7.0], [9.0, 0.0]]])]
    assert abs(float(training.bound_loss(hidden, torch.tensor([[1.0, 0.0]]), 4.0)) - 3) < 1e-6  # padding does not count

    path = os.path.join(WORK, "x.safetensors")
    tensors = {"a": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "b": numpy.array([0.5, -2], numpy.float32)}
    for dtype in ("F32", "F16"):
        safetensors.write(path, tensors, dtype)
        back = safetensors.read(path)
        assert list(back) == ["a", "b"] and all(numpy.array_equal(back[n], tensors[n]) for n in tensors)

    mail = ("Subject: [ILUG] Hello\nContent-Type: text/html\n\n<html><style>x</style><b>Buy</b> &amp; save</html>")
    assert data.mail_text(mail) == "Hello . Buy & save"


def main():
    test_parts()
    make_data(os.path.join(WORK, "data"))
    model = os.path.join(WORK, "model")
    make_model(model)
    test_forward(model)
    test_fits(model)
    test_revert(model)
    test_teacher(model)
    test_runs(model)


main()
