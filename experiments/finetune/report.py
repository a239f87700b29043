"""Makes accuracy.json and accuracy.md of what experiments/accuracy.sh left in its work directory."""

import argparse
import glob
import json
import os
import platform
import subprocess

from metrics import METRICS as FUNCTIONS

STAGES = ("original", "1-gelu", "2-softmax", "3-layernorm1", "4-layernorm2")
METRICS = ("accuracy", "f1", "matthews")
NAMES = {"sst2": "SST-2", "mrpc": "MRPC", "cola": "CoLA", "spam": "spam"}
# Figure 2 of arXiv:2305.18396, in percent: original, -GELU, -softmax, -LN1, -LN2
PAPER = (
    ("Tiny (2 layers, 128)", "MRPC", (73.5, 75.7, 74.8, 74.0, 74.3)),
    ("Tiny (2 layers, 128)", "SST-2", (82.0, 83.6, 83.9, 83.3, 83.3)),
    ("Tiny (2 layers, 128)", "QNLI", (80.8, 82.0, 82.4, 82.5, 81.8)),
    ("Medium (8, 512)", "MRPC", (82.1, 84.8, 82.4, 82.6, 81.4)),
    ("Medium (8, 512)", "SST-2", (90.6, 89.6, 88.7, 89.2, 88.8)),
    ("Medium (8, 512)", "QNLI", (87.8, 89.0, 88.2, 88.4, 87.9)),
    ("Base (12, 768)", "MRPC", (88.2, 90.4, 88.2, 87.3, 87.8)),
    ("Base (12, 768)", "SST-2", (93.6, 93.4, 92.3, 92.9, 91.7)),
    ("Base (12, 768)", "QNLI", (92.4, 91.8, 90.9, 91.0, 90.5)),
)


def read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_line(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.readline().strip()


def predictions(path):
    """What `trefoil eval` wrote, by index; nothing where the file is missing."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.endswith("\n")]
    return {line["index"]: line for line in lines if "index" in line}


def label_of(logits):
    return max(range(len(logits)), key=logits.__getitem__)


def unfinished(directory, metrics):
    """The scores of a private run that has not come to the end of the validation set, and the original's on the same texts."""
    private = predictions(os.path.join(directory, "private.jsonl"))
    original = predictions(os.path.join(directory, "original.jsonl"))
    if not private:
        return None
    true = [int(line["label"]) for line in private.values()]
    scores = {"examples": len(private), "original": {}}
    for metric in metrics:
        scores[metric] = FUNCTIONS[metric]([label_of(line["logits"]) for line in private.values()], true)
        scores["original"][metric] = FUNCTIONS[metric]([label_of(original[i]["logits"]) for i in private], true)
    same = [line["prediction"] == line["plain_prediction"] for line in private.values()]
    scores["agreement"] = sum(same) / len(same)
    scores["max_abs_error"] = max(abs(a - b) for line in private.values() for a, b in zip(line["logits"], line["plain_logits"]))
    return scores


def ranges_of(directory):
    """The nodes that use most of their ranges, the first ones; those whose op bounds them anyway, as tanh does, are told
    from the others by a range of their own."""
    report, summary = (read(os.path.join(directory, name)) for name in ("ranges.json", "ranges.summary.json"))
    if not report or not summary:
        return None
    nodes = sorted(report["nodes"], key=lambda n: n["private"] / n["range"], reverse=True)
    widest = max(n["range"] for n in nodes)
    bounded, free = ([n for n in nodes if (n["range"] < widest) == narrow] for narrow in (True, False))
    return {"examples": summary["computed"], "used": [n | {"used": n["private"] / n["range"]} for n in bounded[:1] + free[:1]]}


def training_of(record):
    settings = {k: v for k, v in record.get("settings", {}).items() if k not in ("model", "data", "limit")}
    return {k: record.get(k) for k in ("approx", "seconds", "torch", "history")} | {"settings": settings}


def attempt_of(result):
    """What is kept of a run whose row is another one's: its scores at the end, in percent, and how it came to them."""
    ends = {key: {metric: 100 * value for metric, value in result["plain"].get(stage, {}).items()}
            for key, stage in (("original", "original"), ("validation", "4-layernorm2"))}
    return ends | result["training"] | {key: result[key] for key in ("private", "ranges", "commit")}


def joined(previous, current, second):
    """The results of this work directory and those of an earlier report: pairs that are not here stay as they were, and a
    pair that was trained anew keeps the earlier run among its attempts, so that no run gets lost. The other way round for
    the pairs `second`, MODEL-TASK: there the earlier run stays, and this one becomes an attempt."""
    pairs = {(r["model"], r["task"]): r for r in previous}
    for result in current:
        old = pairs.get((result["model"], result["task"]))
        if old:
            row, other = (old, result) if f"{result['model']}-{result['task']}" in second else (result, old)
            others = {json.dumps(record["history"]): record for record in old["attempts"] + [attempt_of(other)]}
            row["attempts"] = [record for record in others.values() if record["history"] != row["training"]["history"]]
            result = row
        pairs[result["model"], result["task"]] = result
    return [pairs[key] for key in sorted(pairs)]


def pair_of(directory):
    """Everything about one model and task."""
    name = os.path.basename(directory)
    model, _, task = name.rpartition("-")
    result = {"model": model, "task": task, "plain": {}, "private": None}
    for metric in METRICS:
        for stage in STAGES:
            summary = read(os.path.join(directory, f"{stage}.{metric}.json"))
            if summary:
                result["plain"].setdefault(stage, {})[metric] = summary["value"]
                result["examples"] = summary["examples"]
        summary = read(os.path.join(directory, f"private.{metric}.json"))
        if summary:
            private = result["private"] = result["private"] or {}
            private[metric] = summary["value"]
            private["agreement"], private["max_abs_error"] = summary["agreement"], summary["max_abs_error"]
            if summary["computed"]:  # what was computed before a kill is not in these
                private["last_run"] = {k: summary[k] for k in ("computed", "seconds", "bytes", "rounds", "groups")}
    if not result["private"]:
        result["private"] = unfinished(directory, result["plain"].get("original", {}))
    result["ranges"] = ranges_of(directory)
    result["commit"] = read_line(os.path.join(directory, "commit"))
    result["baseline"] = training_of(read(os.path.join(directory, "baseline.json")) or {})
    result["training"] = training_of(read(os.path.join(directory, "finetune.json")) or {})
    result["attempts"] = []
    return result


def percent(value):
    return "" if value is None else f"{100 * value:.2f}"


def row(result, metric):
    plain = [result["plain"].get(stage, {}).get(metric) for stage in STAGES]
    private, difference, agreement, error = None, "", "", ""
    if result["private"]:
        run = result["private"]
        private = run.get(metric)
        difference = f"{100 * (private - run.get('original', {}).get(metric, plain[0])):+.2f}"
        agreement = f"{100 * run['agreement']:.2f}"
        error = f"{run['max_abs_error']:.4f}"
        if "examples" in run:
            agreement += f" (first {run['examples']})"
    cells = [result["model"], f"{NAMES.get(result['task'], result['task'])}, {metric}", str(result.get("examples", ""))]
    cells += [percent(value) for value in plain] + [change(plain), percent(private), difference, agreement, error]
    return f"| {' | '.join(cells)} |"


def change(values):
    """From the original to the end."""
    return "" if None in values else f"{100 * (values[-1] - values[0]):+.2f}"


def decisive(result):
    return [m for m in (("matthews", "accuracy") if result["task"] == "cola" else METRICS)
            if m in result["plain"].get("original", {})]


def table(results):
    lines = ["| model | task, metric | examples | original | -GELU | -softmax | -LN1 | -LN2 | change | private | private - original "
             "| agreement % | max logit difference |", "|" + "---|" * 13]
    return lines + [row(result, metric) for result in results for metric in decisive(result)]


def name_of(result):
    return f"{result['model']}, {NAMES.get(result['task'], result['task'])}"


def minutes(training):
    return "" if training["seconds"] is None else f"{training['seconds'] / 60:.1f}"


def effort(training, keys=("rate", "slice", "rounds", "together", "final", "distill")):
    settings = training["settings"]
    return ", ".join(f"{key} {settings[key]}" for key in keys if settings.get(key))


def used_of(ranges):
    return "; ".join(f"{100 * n['used']:.2f} `{n['name']}` ({n['private']:.4g} of {n['range']:g})" for n in ranges["used"])


def training_table(results):
    lines = ["| model, task | seed | baseline | minutes | adaptation | minutes | substituted | taken back "
             "| range used, % | texts | program |", "|" + "---|" * 11]
    for result in results:
        training, ranges = result["training"], result["ranges"]
        reverted = [f"{h['stage']}@{h['block']}" for h in training["history"] or [] if not h["kept"] and h["block"] is not None]
        cells = [name_of(result), str(training["settings"].get("seed", "")), effort(result["baseline"], ("epochs", "rate")),
                 minutes(result["baseline"]), effort(training), minutes(training), f"`{training['approx']}`",
                 ", ".join(reverted) or "none"]
        cells += [used_of(ranges), str(ranges["examples"])] if ranges else ["", ""]
        cells.append(result["commit"])
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def attempts(results):
    """Every other run there was, so that the one above is not taken for the only one."""
    lines = []
    for result in results:
        metric = (decisive(result) or ["accuracy"])[0]
        for record in result["attempts"]:
            scores = [record["original"][metric]] + [h["scores"][metric] for h in record["history"] or [] if h["block"] is None]
            line = (f"- {name_of(result)} with {effort(record)} (`{record['approx']}`): held-out {metric} after each stage "
                    f"{', '.join(f'{s:.2f}' for s in scores[1:])}; validation {record['validation'][metric]:.2f} "
                    f"of {scores[0]:.2f}")
            run, ranges = record.get("private"), record.get("ranges")
            if run:
                line += f"; private {percent(run.get(metric))}, agreement {percent(run['agreement'])} %"
            if ranges:
                line += f"; range used {used_of(ranges)}, {ranges['examples']} texts"
            lines.append(line)
    return ["", "Other attempts, which are not the ones above:", ""] + lines if lines else []


def shortfalls(report):
    """What is not as wanted: within a point of the original, 99.5 % agreement, all pairs, all texts."""
    lines = []
    for result in report["results"]:
        metric = decisive(result)[0]
        plain, run = result["plain"], result["private"]
        if "4-layernorm2" in plain:
            lost = 100 * (plain["original"][metric] - plain["4-layernorm2"][metric])
            if round(lost, 2) > 1:
                lines.append(f"- {name_of(result)} loses {lost:.2f} points of {metric}, {lost - 1:.2f} more than one.")
        if not run:
            lines.append(f"- {name_of(result)} has had no private run.")
        else:
            if "examples" in run:
                lines.append(f"- {name_of(result)} was run in private on the first {run['examples']} of {result['examples']} "
                             "texts only; its private columns are of those, the difference too.")
            if run["agreement"] < 0.995:
                lines.append(f"- {name_of(result)} agrees on {100 * run['agreement']:.2f} %, less than 99.5.")
        if not result["ranges"]:
            lines.append(f"- {name_of(result)} has had no check of ranges.")
        elif result["ranges"]["examples"] < result["examples"]:
            lines.append(f"- {name_of(result)}: ranges were checked on the first {result['ranges']['examples']} of "
                         f"{result['examples']} texts.")
    there = {(r["model"], r["task"]) for r in report["results"]}
    lines += [f"- {model}, {NAMES[task]} was not done." for model in ("bert-tiny", "minilm") for task in NAMES
              if (model, task) not in there]
    return ["", "What falls short:", ""] + lines if lines else []


def markdown(report):
    lines = [
        "# Accuracy after substitution, plain and private", "",
        f"Made by `{report['command']}` with trefoil {report['versions']['trefoil']} "
        f"({report['versions']['commit']}), PyTorch {report['versions']['torch']}.", "",
        "All in percent, over whole validation sets. Columns from -GELU to -LN2 are plain (floating point) after each "
        "cumulative substitution; private is the last of these models among three parties, and agreement the share of "
        "examples that get the same label from it in private and in floating point.", "",
    ]
    lines += table(report["results"])
    lines += shortfalls(report)
    lines += ["", "How it was adapted, and what it needs: effort in parts of the training set; `paper` is everything, the "
              "embedding's LayerNorm included; the range is that of fixed-point numbers with 16 fractional bits, used by the "
              "largest value at any node, where an op has a range of its own (tanh) and where it has not (`trefoil eval --local --check-ranges`); minutes are of a busy machine with two cores; the "
              "program is that of the evaluation, by its commit.", ""]
    lines += training_table(report["results"])
    lines += attempts(report["results"])
    lines += ["", "The paper's own figures (its Figure 2; two-party, other models):", "",
              "| model | task | original | -GELU | -softmax | -LN1 | -LN2 | change |", "|" + "---|" * 8]
    lines += [f"| {model} | {task} | {' | '.join(f'{v:.1f}' for v in values)} | {values[-1] - values[0]:+.1f} |"
              for model, task, values in PAPER]
    return "\n".join(lines + ["", NOTES, ""])


NOTES = """Differences, and why:

- Models. The paper starts from pretrained BERT-Tiny, -Medium and -Base. Here bert-tiny-sst2 was trained from random
  weights, the other bert-tiny models start from a BERT-tiny that had been fine-tuned for toxicity, and MiniLM is a
  sentence encoder distilled from BERT; all get less training than a GLUE submission would.
- Tasks. There is no labelled toxicity data, so spam (SpamAssassin's e-mails: subject and the first 240 characters) is the
  fourth task. There is no QNLI. MRPC is validated on its own test set of 1725 pairs; GLUE takes 408 of its training set.
  CoLA's metric is Matthews' correlation, times 100.
- Which set decides. Whether a block's substitution is kept is decided on a held-out tenth of the training set, except for
  SST-2, whose phrases overlap so much that a part of them says nothing: there it is the validation set, as in the paper,
  and the SST-2 columns from -GELU on are to that extent optimistic; so is the choice between attempts, where there were several.
- CoLA is next to nothing for BERT-tiny: its Matthews' correlation is low before anything is substituted, and a few
  sentences of the held-out tenth, which decides, make more than a point. Where a substitution cost two of them, it was
  taken back.
- Gains. Adaptation is further training, which the original did not get: where a column is above the original, that is
  why, not that the cheaper operators were better. A difference of a point is 9 of SST-2's sentences and 17 of MRPC's pairs.
- Order and effort. As in the paper; in addition the blocks train together once after each stage, a block that misses gets
  more rounds, and substituted ops start from a fit without labels (experiments/finetune/README.md). With "distill" the
  last round of all blocks also learns from the original's logits, which Algorithm 2 does not.
  At the end the embedding's LayerNorm is tried too, which the paper's protocol leaves to the client; the embeddings train
  from there on. What was taken back is in the table above."""


def version_of(trefoil):
    done = subprocess.run([trefoil, "--version"], text=True, capture_output=True, check=False)
    return done.stdout.split("\n")[0].replace("trefoil ", "") if done.returncode == 0 else "unknown"


def commit():
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], text=True, capture_output=True, check=False)
    return done.stdout.strip() or "not from git"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("work", "results", "command", "trefoil", "models"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--second", nargs="*", default=[])
    arguments = parser.parse_args()
    results = [pair_of(os.path.dirname(path)) for path in sorted(glob.glob(f"{arguments.work}/*/original.*.json"))]
    results = list({(r["model"], r["task"]): r for r in results}.values())
    results = joined((read(os.path.join(arguments.results, "accuracy.json")) or {"results": []})["results"], results,
                     arguments.second)
    torch = next((r["training"]["torch"] for r in results if r["training"]["torch"]), "unknown")
    report = {
        "command": arguments.command,
        "versions": {"trefoil": version_of(arguments.trefoil), "commit": commit(), "torch": torch,
                     "python": platform.python_version()},
        "results": results,
    }
    for name, text in (("accuracy.json", json.dumps(report, indent=1) + "\n"), ("accuracy.md", markdown(report))):
        with open(os.path.join(arguments.results, name), "w", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
