"""From a spec to points: what is to be measured, each once, checked and forecast before anything runs."""
import hashlib
import json
import os

from program import NETWORKS, ProgramError
from store import Point, digest_of, state_of, write_whole


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
        self.path, self.known = path, {}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                try:
                    self.known = json.load(file)
                except json.JSONDecodeError:
                    self.known = {}

    def of(self, path):
        info = os.stat(path)
        key = f"{os.path.realpath(path)} {info.st_size} {info.st_mtime_ns}"
        if key not in self.known:
            self.known[key] = file_digest(path)
        return self.known[key]

    def save(self):
        if self.path:
            write_whole(self.path, json.dumps(self.known))


def model_digest(model, digests):
    """What a model is: its configuration and weights, or its architecture's name."""
    if "arch" in model:
        return "arch:" + model["arch"]
    parts = {}
    for name in sorted(os.listdir(model["path"])):
        if name.endswith((".json", ".safetensors", ".txt", ".model")):
            parts[name] = digests.of(os.path.join(model["path"], name))
    return digest_of(parts)


def settings_of(spec, axes, digests):
    model = spec.models[axes["model"]]
    settings = dict(axes, model=model_digest(model, digests))
    if "data" in model:
        settings["data"] = digests.of(model["data"])
    for key in ("metric", "columns", "max_length"):
        if key in model:
            settings[key] = model[key]
    return {k: v for k, v in settings.items() if v not in (0, "", None) or k == "repeat"}


def make_points(spec, program, digests):
    """Every point once, in the order of the spec."""
    points, seen, faults = [], set(), []
    for axes in spec.points():
        model = spec.models[axes["model"]]
        try:
            settings = settings_of(spec, axes, digests)
        except OSError as error:
            faults.append(f"models.{axes['model']}: {error.strerror}: {error.filename}")
            continue
        where = {"program": program.version, "model": model, "axes": axes,
                 "limit": spec.limit, "groups": spec.groups, "timeout": spec.timeout}
        for measure in spec.measure:
            if measure in ("accuracy", "agreement", "perplexity") and "data" not in model:
                continue
            for repeat in range(spec.repeats if measure == "time" else 1):
                point = Point(measure, {**settings, "repeat": repeat}, where)
                point.label = dict(axes, measure=measure, **({"repeat": repeat} if measure == "time" else {}))
                if point.digest not in seen:
                    seen.add(point.digest)
                    points.append(point)
    if faults:
        raise PlanError("\n".join(dict.fromkeys(faults)))
    return points


def model_arguments(where):
    model, axes = where["model"], where["axes"]
    words = ["--model", model["path"]] if "path" in model else ["--arch", model["arch"]]
    words += ["--approx", axes["approx"], "--frac-bits", str(axes["frac_bits"])]
    if axes["layers"]:
        words += ["--layers", str(axes["layers"])]
    return words


def size_arguments(where):
    axes = where["axes"]
    words = ["--seq", str(axes["seq"]), "--batch", str(axes["batch"])]
    if axes["tokens"]:
        words += ["--tokens", str(axes["tokens"])]
    return words


def forecast(point, program, store):
    """The exact cost of a point's program, from the store if it is known there. Raises ProgramError."""
    key = digest_of({"forecast": [point.where["program"], point.axes.get("model"), *model_arguments(point.where)[2:],
                                  *size_arguments(point.where)]})
    path = store.directory / "forecasts.jsonl" if store else None
    if not hasattr(forecast, "known"):
        forecast.known = {}
        if path and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    forecast.known[entry["key"]] = entry
                except (json.JSONDecodeError, KeyError):
                    continue
    if key not in forecast.known:
        try:
            cost, warnings = program.json(["cost", *model_arguments(point.where), *size_arguments(point.where)])
            entry = {"key": key, "bytes": cost["bytes"], "rounds": cost["rounds"], "memory": cost["memory"],
                     "ops": cost.get("ops", []), "warnings": warnings}
        except ProgramError as error:
            entry = {"key": key, "error": str(error)}
        forecast.known[key] = entry
        if path and path.parent.is_dir():
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
    entry = forecast.known[key]
    if "error" in entry:
        raise ProgramError(entry["error"])
    return entry


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 0


def check(points, program, store):
    """Fails with every reason for which a point could not run; returns warnings, each once."""
    faults, warnings = {}, {}
    available = available_memory()
    for point in points:
        where = point.label
        if where["network"] not in NETWORKS and "," not in where["network"]:
            faults[f"network '{where['network']}' is none of {', '.join(NETWORKS)} or DELAYms,RATEmbit"] = 1
            continue
        try:
            entry = forecast(point, program, store)
        except ProgramError as error:
            faults[f"{where['model']}, {where['approx']}, {where['seq']} tokens: {error}"] = 1
            continue
        for warning in entry.get("warnings", []):
            warnings[f"{where['model']}, {where['approx']}: {warning}"] = 1
        if available and 3 * entry["memory"] > available:
            faults[f"{where['model']}, {where['approx']}, {where['seq']} tokens, batch {where['batch']}: needs three times "
                   f"{entry['memory'] / 1e9:.1f} GB of memory, of which {available / 1e9:.1f} GB are free"] = 1
    if faults:
        raise PlanError("\n".join(faults))
    return list(warnings)


def states(points, store):
    return {p.digest: state_of(store.read(p.digest), p) if store else "open" for p in points}
