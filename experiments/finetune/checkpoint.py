"""Model directories of Hugging Face's form, and the state of a training run."""

import json
import os
import shutil

import torch

import safetensors
from model import Bert

SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
         "max_position_embeddings", "type_vocab_size")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_config(directory):
    config = read_json(os.path.join(directory, "config.json"))
    if config.get("model_type") != "bert":
        raise ValueError(f"{directory}: \"model_type\" is not \"bert\"")
    missing = [key for key in SIZES if not isinstance(config.get(key), int)]
    if missing:
        raise ValueError(f"{directory}: its config.json lacks {', '.join(missing)}")
    return config


def write_json(path, value):
    """Atomically: whoever reads the file sees the old one or the new one."""
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.part", path)


def load(directory, labels, dropout=0.1):
    """The model of a directory. Returns it, its config, and whether it already is a classifier with these labels; if not,
    its classifier (and its pooler, where the file has none) is as drawn by torch's generator."""
    config = read_config(directory)
    weights = os.path.join(directory, "model.safetensors")
    if not os.path.exists(weights):
        weights = os.path.join(directory, "model.fp16.safetensors")
    tensors = {name.removeprefix("bert."): torch.from_numpy(t) for name, t in safetensors.read(weights).items()}
    model = Bert(config, len(labels), config.get("trefoil_approx") or "exact", dropout)
    torch.nn.init.normal_(model.classifier.weight, std=0.02)
    torch.nn.init.zeros_(model.classifier.bias)
    fits = "classifier.weight" in tensors and list(config.get("id2label", {}).values()) == labels
    optional = {"pooler.dense.weight", "pooler.dense.bias"}
    if not fits:
        optional |= {"classifier.weight", "classifier.bias"}
        tensors = {name: t for name, t in tensors.items() if not name.startswith("classifier.")}
    missing = set(model.state_dict()) - set(tensors) - optional
    if missing:
        raise ValueError(f"{weights}: lacks {', '.join(sorted(missing))}")
    model.load_state_dict({n: t for n, t in tensors.items() if n in model.state_dict()}, strict=False)
    return model, config, fits


def save(directory, model, config, labels, source, dtype="F32"):
    """Writes a classifier's directory; the tokenizer's files are copied from the directory `source`."""
    tensors = {}
    for name, tensor in model.state_dict().items():
        full = name if name.startswith("classifier.") else f"bert.{name}"
        tensors[full] = tensor.detach().numpy()
    config = dict(config)
    config["architectures"] = ["BertForSequenceClassification"]
    config["id2label"] = {str(i): label for i, label in enumerate(labels)}
    config["label2id"] = {label: i for i, label in enumerate(labels)}
    config.pop("trefoil_head", None)
    save_directory(directory, tensors, config, model.approx, source, TOKENIZER_FILES, dtype)


def save_directory(directory, tensors, config, approx, source, files, dtype="F32"):
    """Writes weights and config, which says what was substituted, and copies these files from `source`."""
    os.makedirs(directory, exist_ok=True)
    safetensors.write(os.path.join(directory, "model.safetensors"), tensors, dtype)
    for name in files:
        if os.path.exists(os.path.join(source, name)) and os.path.realpath(source) != os.path.realpath(directory):
            shutil.copyfile(os.path.join(source, name), os.path.join(directory, name))
    config = {key: value for key, value in config.items() if key != "trefoil_approx"}
    if approx.text() != "exact":
        config["trefoil_approx"] = approx.text()
    write_json(os.path.join(directory, "config.json"), config)


def save_state(path, state):
    """Atomically, so that a kill leaves the old state or the new one."""
    with open(f"{path}.part", "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.part", path)


def load_state(path):
    return torch.load(path, map_location="cpu") if os.path.exists(path) else None
