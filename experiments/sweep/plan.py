"""What points will take: forecasts of the program, exact, and estimates of time; everything is checked before it runs."""
import concurrent.futures
import contextlib
import functools
import json

from points import (TRAINED, PlanError, calibrated, data_arguments, drafting, generates_text, model_arguments, option_words,
                    options_of, part_arguments)
from program import ProgramError, granted_cores
from spec import OPTIONS, PARTS, simulated
from store import OF_DATA, digest_of, state_of

SHAPES = {"lan": (1e-3, 5e9), "wan": (40e-3, 4e8)}  # as in trefoil: round trip in seconds, bits a second
SECONDS_A_BYTE = 8e-9  # of computing, where the store knows nothing better: BERT-base on two cores
START_SECONDS = 2


class Forecasts:
    """What points will move and need, exact, computed once for each program: those of a store are kept in its file."""

    def __init__(self, program, store):
        self.program, self.known = program, {}
        self.path = store.directory / "forecasts.jsonl" if store else None
        if self.path and self.path.exists():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # of a line that was cut, or is none of ours
                    entry = json.loads(line)
                    self.known[entry["key"]] = entry

    def key(self, point):
        """What the forecast is of; computed once, of a point that is asked for often."""
        if not point.forecast:
            point.forecast = self.key_of(point)
        return point.forecast

    def key_of(self, point):
        where, axes = point.where, point.where["axes"]
        if point.measure in PARTS:
            return digest_of([where["program"], point.measure, *(point.settings.get(k) for k in ("part", "frac_bits", "options"))])
        words = option_words(options_of(self.forecasting(point), axes))
        common = [*words, where["program"], where["model_digest"], axes["approx"], axes["frac_bits"], point.settings.get("ranges"), calibrated(where["model"])]
        if point.measure in OF_DATA:
            return digest_of([*common, where["model"].get("max_length"), where["limit"], point.settings.get("data"),
                              point.settings.get("columns"), point.settings.get("metric"), point.measure == "perplexity"])
        return digest_of([*common, axes["seq"], axes["batch"], axes["tokens"], axes["layers"]])

    def of(self, point):
        """The forecast; raises ProgramError where there is none. None for fidelity, which needs no parties."""
        if point.measure in ("fidelity", "link"):
            return None
        self.add([point])
        entry = self.known[self.key(point)]
        if "error" in entry:
            raise ProgramError(entry["error"])
        return entry

    def add(self, points):
        """Computes all that are not known, those of one kind in one call."""
        missing = {self.key(p): p for p in points if p.measure not in ("fidelity", "link")}
        missing = {k: p for k, p in missing.items() if k not in self.known}
        alike = {}
        for key, p in missing.items():
            if p.measure not in OF_DATA and p.measure not in PARTS:
                words = ["--no-ranges"] * (p.where["model"].get("ranges") is False) + option_words(options_of("cost", p.where["axes"]))
                alike.setdefault(tuple(words), []).append(key)
        for words, keys in alike.items():
            try:
                costs = self.program.costs([self.line(missing[k]) for k in keys], words)
            except ProgramError as error:
                costs = [{"error": str(error)}] * len(keys)
            self.keep([(k, summed(cost)) for k, cost in zip(keys, costs)])
        singly = [(k, p) for k, p in missing.items() if p.measure in OF_DATA or p.measure in PARTS]
        if singly:
            with concurrent.futures.ThreadPoolExecutor(granted_cores()) as pool:
                self.keep(list(pool.map(lambda item: (item[0], self.single(item[1])), singly)))

    @staticmethod
    def forecasting(point):
        """The command that forecasts it."""
        return "eval" if point.measure in OF_DATA else "cost"

    @staticmethod
    def line(point):
        model, axes = point.where["model"], point.where["axes"]
        line = {"model": model["path"]} if "path" in model else {"arch": model["arch"]}
        line.update({"approx": axes["approx"]} if axes["approx"] != TRAINED else {})
        line.update(frac_bits=axes["frac_bits"], seq=axes["seq"], batch=axes["batch"])
        line.update({k: axes[k] for k in ("layers", "tokens") if axes[k]})
        return line

    def single(self, point):
        """The forecast of an evaluation, or of a part, which is tried in one process."""
        try:
            if point.measure in PARTS:
                options = [word for word in option_words(point.settings.get("options")) if word != OPTIONS["plaintext_links"][1]]
                tried, warnings = self.program.json(["bench", "--local", "--runs", "1", *part_arguments(point), *options])
                return {"bytes": {"total": tried["forecast"]["bytes"]}, "rounds": tried["forecast"]["rounds"], "memory": 0, "warnings": warnings}
            options = option_words(point.settings.get("options"))
            plan, warnings = self.program.json(["eval", *model_arguments(point.where), *data_arguments(point), *options, "--dry-run"])
            return {**{k: plan[k] for k in ("bytes", "rounds", "memory", "examples", "longest")}, "warnings": warnings}
        except ProgramError as error:
            return {"error": str(error)}

    def keep(self, entries):
        entries = [{"key": key, **entry} for key, entry in entries]
        self.known.update({entry["key"]: entry for entry in entries})
        if self.path and self.path.parent.is_dir():
            with open(self.path, "a", encoding="utf-8") as file:  # what failed may do so for a reason that passes
                file.write("".join(json.dumps(entry) + "\n" for entry in entries if "error" not in entry))


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
    if not (shape := SHAPES.get(network) or simulated(network)):
        return 0.0
    delay, rate = shape
    return entry["rounds"] * delay / 2 + entry["bytes"]["total"] * 8 / 6 / rate


def estimate(point, entry, known):
    """Seconds that a point is likely to take: of its like, or by bytes. `known`: {kind of point: seconds}."""
    if point.measure in ("cost", "fidelity"):
        return 0.1
    if point.measure == "link":
        return START_SECONDS
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
    if point.measure in PARTS:
        return f"{point.measure} {point.settings['part']}"
    sizes = "" if point.measure in OF_DATA else f", {a['seq']} tokens, batch {a['batch']}"
    return f"{a['model']}, {a['approx']}{sizes}"


@functools.cache
def fault_of_model(name, path, arch, tokens, prompts, draft):
    """What of a model cannot be, whatever else is asked of it; None: nothing."""
    model = {"path": path} if path else {"arch": arch}
    if tokens and not generates_text(model):
        return f"models.{name} generates no text: it has no tokens = {tokens}"
    if draft and not generates_text({"path": draft}):
        return f"draft = \"{draft}\" holds a model that generates no text"
    if prompts:
        with open(prompts, encoding="utf-8", errors="replace") as file:
            if not any(line.strip() for line in file):
                return f"models.{name}.prompts: {prompts} holds no text"
    return None


def check(points, forecasts, jobs, elsewhere):
    """Fails with every reason for which a point could not run; returns warnings, each once. `elsewhere`: on other
    machines than this one, whose memory is not known."""
    faults, warnings = {}, {}
    available = available_memory()
    forecasts.add(points)
    for point in points:
        network, model = point.label["network"], point.where["model"] or {}
        if model and (fault := fault_of_model(point.label["model"], model.get("path"), model.get("arch"), point.label["tokens"],
                                              model.get("prompts"), (drafting(point.where["axes"]) or {}).get("path"))):
            faults[fault] = 1
            continue
        if network == "hosts" and not point.where["hosts"]:
            faults["network = \"hosts\" needs a table [hosts]"] = 1
        if point.measure in ("time", "profile") and "path" in model and point.label["layers"]:
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
