"""From a spec to points: what is to be measured, each once, checked and forecast before anything runs."""
import concurrent.futures
import hashlib
import json
import os
import re

from program import NETWORKS, ProgramError, granted_cores
from store import OF_DATA, Point, digest_of, state_of, write_whole

SHAPES = {"lan": (1e-3, 5e9), "wan": (40e-3, 4e8)}  # as in trefoil: round trip in seconds, bits a second
SECONDS_A_BYTE = 8e-9  # of computing, where the store knows nothing better: BERT-base on two cores
START_SECONDS = 2
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
            with open(path, encoding="utf-8") as file:
                try:
                    self.known = json.load(file)
                except json.JSONDecodeError:
                    self.known = {}
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
        for name in sorted(os.listdir(model["path"])):
            if name.endswith((".json", ".safetensors", ".txt", ".model")):
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
    try:
        with open(os.path.join(model["path"], "config.json"), encoding="utf-8") as file:
            names = json.load(file).get("architectures") or [""]
    except (KeyError, OSError, ValueError, AttributeError):
        return False
    return str(names[0]).endswith(("CausalLM", "LMHeadModel"))


def located(model):
    """The model with absolute paths, for whoever runs it elsewhere."""
    return {k: os.path.abspath(v) if k in ("path", "data", "prompts") else v for k, v in model.items()}


def make_points(spec, program, digests):
    """Every point once, in the order of the spec."""
    points, seen, faults, models = [], set(), [], {}
    for name, model in spec.models.items():
        try:
            unfit = ("accuracy", "agreement") if generates_text(model) else ("perplexity",)
            models[name] = located(model), settings_of_model(model, digests), unfit
        except OSError as error:
            faults.append(f"models.{name}: {error.strerror}: {error.filename}")
    for axes in spec.points():
        if axes["model"] not in models:
            continue
        model, of_model, unfit = models[axes["model"]]
        settings = {k: v for k, v in {**axes, **of_model}.items() if v not in (0, "", None) or v is False}
        where = {"program": program.version, "model": model, "axes": axes, "model_digest": of_model["model"],
                 "limit": spec.limit, "groups": spec.groups, "timeout": spec.timeout}
        if axes["network"] == "hosts":
            where["hosts"] = spec.hosts
        for measure in spec.measure:
            if measure in OF_DATA and "data" not in model or measure in unfit:
                continue  # the measure of another of the models
            for repeat in range(spec.repeats if measure == "time" else 1):
                label = dict(axes, measure=measure, program=program.version, **({"repeat": repeat} if measure == "time" else {}))
                if measure in OF_DATA:
                    label.update(seq=0, batch=0, layers=0, tokens=0, network="", threads=0)
                point = Point(measure, {**settings, "repeat": repeat}, where, label)
                if point.digest not in seen:
                    seen.add(point.digest)
                    points.append(point)
    if faults:
        raise PlanError("\n".join(dict.fromkeys(faults)))
    return points


def model_arguments(where):
    model, axes = where["model"], where["axes"]
    words = ["--model", model["path"]] if "path" in model else ["--arch", model["arch"]]
    words += ["--approx", axes["approx"]] * (axes["approx"] != TRAINED) + ["--frac-bits", str(axes["frac_bits"])]
    return words + (["--no-ranges"] if model.get("ranges") is False else [])


def generates(point):
    """Whether a point's time is that of generating tokens after prompts."""
    return point.measure == "time" and "prompts" in point.where["model"] and point.where["axes"]["tokens"] > 0


def data_arguments(point):
    model, limit = point.where["model"], point.where["limit"]
    words = ["--data", model["data"]]
    for key in ("metric", "columns", "max_length"):
        if key in model and not (key == "metric" and point.measure == "perplexity"):
            words += ["--" + key.replace("_", "-"), str(model[key])]
    words += ["--metric", "perplexity"] if point.measure == "perplexity" else []
    return words + (["--limit", str(limit)] if limit else [])


class Forecasts:
    """What points will move and need, exact, computed once for each program: those of a store are kept in its file."""

    def __init__(self, program, store):
        self.program, self.known = program, {}
        self.path = store.directory / "forecasts.jsonl" if store else None
        if self.path and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self.known[entry["key"]] = entry
                except (json.JSONDecodeError, KeyError):
                    continue

    def key(self, point):
        where, axes = point.where, point.where["axes"]
        common = [where["program"], where["model_digest"], axes["approx"], axes["frac_bits"], where["model"].get("ranges")]
        if point.measure in OF_DATA:
            return digest_of([*common, where["model"].get("max_length"), where["limit"], point.settings.get("data"),
                              point.settings.get("columns"), point.settings.get("metric"), point.measure == "perplexity"])
        return digest_of([*common, axes["seq"], axes["batch"], axes["tokens"], axes["layers"]])

    def of(self, point):
        """The forecast; raises ProgramError where there is none. None for fidelity, which needs no parties."""
        if point.measure == "fidelity":
            return None
        self.add([point])
        entry = self.known[self.key(point)]
        if "error" in entry:
            raise ProgramError(entry["error"])
        return entry

    def add(self, points):
        """Computes all that are not known, those of one kind in one call."""
        missing = {self.key(p): p for p in points if p.measure != "fidelity"}
        missing = {k: p for k, p in missing.items() if k not in self.known}
        sized = {k: p for k, p in missing.items() if p.measure not in OF_DATA}
        for ranged in (True, False):
            keys = [k for k, p in sized.items() if (p.where["model"].get("ranges") is not False) == ranged]
            if keys:
                costs = self.program.costs([self.line(sized[k]) for k in keys], () if ranged else ("--no-ranges",))
                self.keep([(k, summed(cost)) for k, cost in zip(keys, costs)])
        of_data = [(k, p) for k, p in missing.items() if p.measure in OF_DATA]
        if of_data:
            with concurrent.futures.ThreadPoolExecutor(granted_cores()) as pool:
                self.keep(list(pool.map(lambda item: (item[0], self.evaluation(item[1])), of_data)))

    @staticmethod
    def line(point):
        model, axes = point.where["model"], point.where["axes"]
        line = {"model": model["path"]} if "path" in model else {"arch": model["arch"]}
        line.update({"approx": axes["approx"]} if axes["approx"] != TRAINED else {})
        line.update(frac_bits=axes["frac_bits"], seq=axes["seq"], batch=axes["batch"])
        line.update({k: axes[k] for k in ("layers", "tokens") if axes[k]})
        return line

    def evaluation(self, point):
        try:
            plan, warnings = self.program.json(["eval", *model_arguments(point.where), *data_arguments(point), "--dry-run"])
            return {**{k: plan[k] for k in ("bytes", "rounds", "memory", "examples", "longest")}, "warnings": warnings}
        except ProgramError as error:
            return {"error": str(error)}

    def keep(self, entries):
        entries = [{"key": key, **entry} for key, entry in entries]
        self.known.update({entry["key"]: entry for entry in entries})
        if self.path and self.path.parent.is_dir():
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(json.dumps(entry) + "\n" for entry in entries))


def summed(cost):
    """A forecast with its ops summed by kind."""
    if "error" in cost:
        return {"error": cost["error"]}
    kinds = {}
    for op in cost["ops"]:
        kind = kinds.setdefault(op["kind"], {"kind": op["kind"], "ops": 0, "bytes": 0, "rounds": 0})
        kind["ops"] += 1
        kind["bytes"] += op["bytes"]
        kind["rounds"] += op["rounds"]
    kept = {k: cost[k] for k in ("bytes", "rounds", "memory", "prefill", "per_token") if k in cost}
    return {**kept, "kinds": list(kinds.values()), "warnings": cost.get("warnings", [])}


def network_seconds(network, entry):
    """About what messages take on a simulated network: they are spread evenly over six directions."""
    if match := re.fullmatch(r"([\d.]+)ms,([\d.]+)mbit", network):
        delay, rate = float(match[1]) / 1e3, float(match[2]) * 1e6
    elif network in SHAPES:
        delay, rate = SHAPES[network]
    else:
        return 0.0
    return entry["rounds"] * delay / 2 + entry["bytes"]["total"] * 8 / 6 / rate


def estimate(point, entry, known):
    """Seconds that a point is likely to take: of its like, or by bytes. `known`: {kind of point: seconds}."""
    if point.measure in ("cost", "fidelity"):
        return 0.1
    like = known.get((point.measure, point.label["model"], point.label["approx"], point.label["seq"], point.label["network"]))
    if like is not None:
        return like
    return START_SECONDS + SECONDS_A_BYTE * entry["bytes"]["total"] + network_seconds(point.label["network"], entry)


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 0


def describe(point):
    a = point.label
    sizes = "" if point.measure in OF_DATA else f", {a['seq']} tokens, batch {a['batch']}"
    return f"{a['model']}, {a['approx']}{sizes}"


def check(points, forecasts, jobs, elsewhere):
    """Fails with every reason for which a point could not run; returns warnings, each once. `elsewhere`: on other
    machines than this one, whose memory is not known."""
    faults, warnings = {}, {}
    available = available_memory()
    forecasts.add(points)
    for point in points:
        network, model = point.label["network"], point.where["model"]
        if network and network not in NETWORKS and not re.fullmatch(r"[\d.]+ms,[\d.]+mbit", network):
            faults[f"network '{network}' is none of {', '.join(NETWORKS)} or DELAYms,RATEmbit"] = 1
        if network == "hosts" and not point.where["hosts"]:
            faults["network = \"hosts\" needs a table [hosts]"] = 1
        if point.measure == "time" and "path" in model and point.label["layers"]:
            faults[f"models.{point.label['model']}: the time of a model with weights is that of all its layers"] = 1
        if point.measure == "time" and point.label["tokens"] > 2 and "prompts" not in model:
            faults[f"models.{point.label['model']}: time is of the prompt or, with tokens = 2, of the token after it; more "
                   f"tokens are generated after models.{point.label['model']}.prompts"] = 1
        try:
            entry = forecasts.of(point)
        except ProgramError as error:
            faults[f"{describe(point)}: {error}"] = 1
            continue
        for warning in (entry or {}).get("warnings", []):
            warnings[f"{point.label['model']}, {point.label['approx']}: {warning}"] = 1
        if entry and available and point.measure != "cost" and 3 * jobs * entry["memory"] > available:
            several = f" for each of {jobs} jobs" if jobs > 1 else ""
            text = (f"{describe(point)}: needs three times {entry['memory'] / 1e9:.1f} GB of memory{several}, of which "
                    f"{available / 1e9:.1f} GB are free here")
            (warnings if elsewhere else faults)[text] = 1
    if faults:
        raise PlanError("\n".join(faults))
    return list(warnings)


def states(points, store):
    return {p.digest: state_of(store.read(p.digest), p) if store else "open" for p in points}
