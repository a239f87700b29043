"""From a spec to its points: what is to be measured, each once, and the program's arguments for each."""
import contextlib
import hashlib
import json
import os

from spec import EMPTY, OPTIONS, PARTS
from store import OF_DATA, Point, digest_of, write_whole

RANGES = ("ranges.json", "ranges.private.json")
TRAINED = "trained"  # what a model's config.json says that its weights are for


class PlanError(Exception):
    """Everything that is wrong with a spec's points, one reason a line."""


def file_digest(path):
    """The SHA-256 of a file."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return sha.hexdigest()


class Digests:
    """Digests of files, kept in the store from one call to the next by size and time of change."""

    def __init__(self, path):
        self.path, self.known, self.seen = path, {}, {}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file, contextlib.suppress(ValueError):
                known = json.load(file)
                self.known = known if isinstance(known, dict) else {}
        self.before = len(self.known)

    def of(self, path):
        info = os.stat(path)
        key = f"{os.path.realpath(path)} {info.st_size} {info.st_mtime_ns}"
        if key not in self.known:
            self.known[key] = file_digest(path)
        return self.known[key]

    def model(self, model):
        """What a model is: its configuration and weights, or its architecture's name."""
        if "arch" in model:
            return "arch:" + model["arch"]
        parts = {}
        for name in sorted(os.listdir(model["path"])):  # ranges have a name of their own: those of other approximations do not count
            if name.endswith((".json", ".safetensors", ".txt", ".model")) and name not in RANGES:
                parts[name] = self.of(os.path.join(model["path"], name))
        return digest_of(parts)

    def save(self):
        if self.path and len(self.known) > self.before:
            write_whole(self.path, json.dumps(self.known))


def settings_of_model(model, digests):
    """What a point's name holds of its model."""
    settings = {"model": digests.model(model)}
    for key in ("data", "prompts"):
        if key in model:
            settings[key] = digests.of(model[key])
    for key in ("metric", "columns", "max_length", "ranges"):
        if key in model:
            settings[key] = model[key]
    return settings


def generates_text(model):
    """Whether a model is measured by perplexity, and not by the labels it gives."""
    if "arch" in model:
        return not model["arch"].startswith("bert")
    try:
        with open(os.path.join(model["path"], "config.json"), encoding="utf-8") as file:
            names = json.load(file).get("architectures") or [""]
    except (OSError, ValueError, AttributeError):
        return False
    return str(names[0]).endswith(("CausalLM", "LMHeadModel"))


def located(model):
    """The model with absolute paths, for whoever runs it elsewhere."""
    return {k: os.path.abspath(v) if k in ("path", "data", "prompts") else v for k, v in model.items()}


def command_of(measure, model, axes):
    """The program's command that measures it; None for fidelity, which takes no options."""
    if measure == "time" and "prompts" in (model or {}) and axes["tokens"] > 0:
        return "generate"
    known = {"cost": "cost", "time": "bench", "profile": "bench", "fidelity": None, **dict.fromkeys(OF_DATA, "eval"), **dict.fromkeys(PARTS, "bench")}
    return known[measure]


def options_of(command, axes):
    """Those of the axes that are options of this command, without those that are off."""
    options = {name: axes[name] for name, (kind, _, commands) in OPTIONS.items() if command in commands and axes[name] != EMPTY[kind]}
    if options.get("planned_for") == "same":
        options["planned_for"] = axes["network"]
    if options.get("planned_for") in ("none", "hosts", "local") or options.get("planned_for") == "measured" and command == "cost":
        del options["planned_for"]  # a forecast runs nothing, so it measures nothing
    return options


def option_words(options):
    """The command line of options_of, which stand in a point's settings too."""
    words = []
    for name, value in (options or {}).items():
        words += [OPTIONS[name][1]] if value is True else [OPTIONS[name][1], str(value)]
    return words


def label_of(measure, axes, program, options, **more):
    """What tables call a point: its axes, and of the options those that are on."""
    kept = {name: value for name, value in axes.items() if name not in OPTIONS}
    return {**kept, **options, "measure": measure, "program": program, **more}


def calibrated(model):
    """Whether a model has ranges, for whatever approximations."""
    return "path" in model and model.get("ranges") is not False and os.path.exists(os.path.join(model["path"], RANGES[0]))


def calibrations(program, pairs):
    """The ids of the ranges that runs go by, for each model with approximations; None where they go by none."""
    lines = [{"model": model["path"], "seq": 1, **({"approx": approx} if approx != TRAINED else {})} for model, approx in pairs if calibrated(model)]
    costs = iter(program.costs(lines) if lines else ())
    return [next(costs).get("calibration") if calibrated(model) else None for model, _ in pairs]


def points_of_model(spec, program, axes, measures, model, of_model, unfit):
    """The points of one combination of axes."""
    settings = {k: v for k, v in {**axes, **of_model}.items() if v not in (0, "", None) or v is False}
    where = {"program": program.version, "model": model, "axes": axes, "model_digest": of_model["model"],
             "limit": spec.limit, "groups": spec.groups, "timeout": spec.timeout}
    if axes["network"] == "hosts":
        where["hosts"] = spec.hosts
    for measure in measures:
        if measure in PARTS or measure in OF_DATA and "data" not in model or measure in unfit:
            continue  # the measure of another of the models, or of none
        options = options_of(command_of(measure, model, axes), axes)
        if options:
            settings["options"] = options
        else:
            settings.pop("options", None)
        for repeat in range(spec.repeats if measure == "time" else 1):
            label = label_of(measure, axes, program.version, options, **({"repeat": repeat} if measure == "time" else {}))
            if measure in OF_DATA:
                label.update(seq=0, batch=0, layers=0, tokens=0, network="", threads=0)
            yield Point(measure, {**settings, "repeat": repeat}, where, label)


def points_of_parts(spec, program, axes, measures):
    """Steps, ops, products and the link, for one combination of axes, of which most do not matter."""
    for measure in (m for m in measures if m in PARTS):
        options = {k: v for k, v in options_of("bench", axes).items() if k == "plaintext_links" or measure == "op"}
        for part in spec.parts[measure]:
            name, _, size = part.partition({"step": "=", "op": ":"}.get(measure, "/"))
            settings = {"part": part, "runs": spec.runs, **({"options": options} if options else {}),
                        **{k: axes[k] for k in ("frac_bits", "network", "threads")}}
            where = {"program": program.version, "model": None, "axes": axes, "limit": 0, "groups": 1, "timeout": spec.timeout}
            if axes["network"] == "hosts":
                where["hosts"] = spec.hosts
            blank = dict(axes, model=name, approx="", seq=0, batch=0, layers=0, tokens=0)
            yield Point(measure, settings, where, label_of(measure, blank, program.version, options, size=int(size) if size.isdigit() else size))


def drafting(axes):
    """The model that drafts, if it is one."""
    return {"path": axes["draft"]} if axes["draft"] not in ("", "ngram") else None


def of_axes(models, ranges, digests, axes):
    """A model as it is computed with these axes: its ranges, and the model that drafts for it, belong to its settings."""
    model, settings, unfit = models[axes["model"]]
    calibration = ranges.get((axes["model"], axes["approx"]))
    more = {"ranges": calibration} if calibration else {}
    if draft := drafting(axes):
        try:
            more["draft_model"] = digests.model(draft)
        except OSError as error:
            raise PlanError(f"draft = \"{axes['draft']}\": {error.strerror}: {error.filename}") from None
    return model, {**settings, **more}, unfit


def make_points(spec, program, digests):
    """Every point once, in the order of the spec."""
    points, faults, models = {}, [], {}
    used = {axes["model"] for axes, _ in spec.points()}
    for name, model in ((name, model) for name, model in spec.models.items() if name in used):
        try:
            unfit = ("accuracy", "agreement") if generates_text(model) else ("perplexity",)
            models[name] = located(model), settings_of_model(model, digests), unfit
        except OSError as error:
            faults.append(f"models.{name}: {error.strerror}: {error.filename}")
    if faults:
        raise PlanError("\n".join(dict.fromkeys(faults)))
    pairs = list({(axes["model"], axes["approx"]): None for axes, _ in spec.points() if axes["model"]})
    ranges = dict(zip(pairs, calibrations(program, [(models[name][0], approx) for name, approx in pairs])))
    for axes, measures in spec.points():
        for point in points_of_parts(spec, program, axes, measures):
            points.setdefault(point.digest, point)
        for point in points_of_model(spec, program, axes, measures, *of_axes(models, ranges, digests, axes)) if axes["model"] else ():
            points.setdefault(point.digest, point)
    if not points:
        raise PlanError("there is nothing to do: every combination is excluded, or no measure suits its model")
    return list(points.values())


def model_arguments(where):
    model, axes = where["model"], where["axes"]
    words = ["--model", model["path"]] if "path" in model else ["--arch", model["arch"]]
    words += ["--approx", axes["approx"]] * (axes["approx"] != TRAINED) + ["--frac-bits", str(axes["frac_bits"])]
    return words + (["--no-ranges"] if model.get("ranges") is False else [])


def part_arguments(point):
    """bench of a step, an op, a product or the link."""
    part, axes = point.settings["part"], point.where["axes"]
    name, _, size = part.partition({"step": "=", "op": ":"}.get(point.measure, "/"))
    words = {"step": ["--step", name, "--n", size], "op": ["--op", name, *(["--shape", size] if size else [])],
             "product": ["--matmul", part], "link": ["--link"]}[point.measure]
    return [*words, "--frac-bits", str(axes["frac_bits"])] if point.measure != "link" else words


def generates(point):
    """Whether a point's time is that of generating tokens after prompts."""
    return command_of(point.measure, point.where["model"], point.where["axes"]) == "generate"


def data_arguments(point):
    model, limit = point.where["model"], point.where["limit"]
    words = ["--data", model["data"]]
    for key in ("metric", "columns", "max_length"):
        if key in model and not (key == "metric" and point.measure == "perplexity"):
            words += ["--" + key.replace("_", "-"), str(model[key])]
    words += ["--metric", "perplexity"] if point.measure == "perplexity" else []
    return words + (["--limit", str(limit)] if limit else [])


