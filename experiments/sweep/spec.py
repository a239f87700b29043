"""A sweep's file: what is measured, on which models, along which axes. TOML, read and checked to the last key.

    measure = ["accuracy", "cost", "time"]      # of MEASURES
    repeats = 3                                 # of time; medians are reported
    limit = 200                                 # examples of a data set, from its beginning

    [models.banking]                            # a directory with a data set, or an architecture with random weights
    path = ".cache/minilm-banking77"
    data = "experiments/data/banking77_queries.tsv"
    metric = "accuracy"
    [models.base]
    arch = "bert-base"

    [axes]                                      # every combination of these
    approx = ["exact", "paper"]
    seq = [32, 128]
    network = ["none", "wan"]

    [[axes]]                                    # instead of [axes]: several tables, whose combinations come one after another,
    measure = ["cost"]                          # if it says so, each with measures of its own

    [[zip]]                                     # lists of one length, taken side by side, combined with the axes
    seq = [32, 512]
    batch = [8, 1]

    [[exclude]]                                 # combinations to leave out
    approx = "exact"
    seq = 512

Options of the program that a sweep may vary are axes too (OPTIONS): planned_for = ["", "wan"]. Of parts without a model:

    measure = ["step", "op", "product", "link"]
    steps = ["relu=393216"]                     # of how many elements
    ops = ["gelu=exact", "softmax=exact:12x128x128"]
    products = ["128x768x768"]
    runs = 5                                    # of each, of which the fastest and the slowest are kept too

    [hosts]                                     # network = "hosts": three hosts in place of one, see CLUSTER.md
    names = ["a.example", "b.example", "c.example"]
    parties = "parties.json"
    identities = ["id0", "id1", "id2"]

    [[published]]                               # others' figures, which the report shows beside those that fit `where`
    source = "PUMA, arXiv:2307.12533"
    where = { model = "base", approx = "exact", seq = 128 }
    figures = { bytes = 1.08e10, seconds = 33.9 }
    differs = "three hosts with 32 cores each"
"""
import difflib
import itertools
import re
import tomllib

PARTS = {"step": "steps", "op": "ops", "product": "products", "link": None}  # what is measured without a model, and its list
NETWORKS = ("none", "local", "lan", "wan", "hosts")  # local: threads of one process
MEASURES = ("accuracy", "agreement", "perplexity", "ranges", "cost", "time", "profile", "fidelity", *PARTS)
# Each axis: its type and its value where a spec says nothing.
AXES = {
    "model": (str, None),
    "approx": (str, "exact"),
    "frac_bits": (int, 16),
    "seq": (int, 128),
    "tokens": (int, 0),
    "batch": (int, 1),
    "layers": (int, 0),
    "network": (str, "none"),
    "threads": (int, 1),
}
# Axes that are options of the program: type, option, and the commands that have it (of others' points it is no part).
OPTIONS = {
    "planned_for": (str, "--network", ("bench", "cost", "eval", "generate")),  # "same": the network that is simulated
    "public_weights": (bool, "--public-weights", ("bench", "cost", "eval", "generate")),
    "check_copies": (bool, "--check-copies", ("bench", "cost", "eval", "generate")),
    "no_guard": (bool, "--no-guard", ("bench", "cost", "eval", "generate")),
    "plaintext_links": (bool, "--plaintext-links", ("bench", "eval", "generate")),
    "pad_to": (str, "--pad-to", ("cost", "eval")),
    "keep": (int, "--keep", ("cost", "generate")),
    "prefill_piece": (int, "--prefill", ("cost", "generate")),
    "draft": (str, "--draft", ("generate",)),  # "ngram", or a model's directory
    "draft_tokens": (int, "--draft-tokens", ("bench", "cost", "generate")),
}
EMPTY = {int: 0, str: "", bool: False}
AXES.update({name: (kind, EMPTY[kind]) for name, (kind, _, _) in OPTIONS.items()})
# From where to where whole numbers go; others from 0 on.
LIMITS = {"seq": (1, None), "batch": (1, None), "threads": (1, 1024), "frac_bits": (8, 24), "repeats": (1, None), "groups": (1, None), "runs": (1, None), "max_length": (1, None)}
TOP = {"measure": list, "repeats": int, "limit": int, "groups": int, "timeout": int, "models": dict, "axes": (dict, list),
       "zip": list, "exclude": list, "title": str, "note": str, "published": list, "hosts": dict,
       "steps": list, "ops": list, "products": list, "runs": int}
NUMBERS = ("repeats", "limit", "groups", "timeout", "runs")  # which the command line may set
# prompts: a file of prompts, a line each, which `tokens` are generated after. ranges = false: without ranges.json. each: what
# stands for {} in the path, a model each.
MODEL = {"path": str, "each": list, "arch": str, "data": str, "metric": str, "columns": str, "max_length": int, "prompts": str, "ranges": bool}
HOSTS = {"names": list, "parties": str, "identities": list}
PUBLISHED = {"source": str, "where": dict, "figures": dict, "differs": str}
FIGURES = ("bytes", "rounds", "seconds", "value", "memory")
WORDS = {int: "a whole number", str: "a string", list: "a list", dict: "a table", bool: "true or false"}


def simulated(network):
    """The round trip in seconds and the bits a second of DELAYms,RATEmbit; None of other texts."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)ms,(\d+(?:\.\d+)?)mbit", network)
    return (float(match[1]) / 1e3, float(match[2]) * 1e6) if match and float(match[2]) > 0 else None


class SpecError(Exception):
    """What is wrong with a spec, with its file and line."""


def values_of(text):
    """V1,V2 of the command line, or ["V1", "V2"] where values have commas themselves."""
    if not text.startswith("["):
        return text.split(",")
    try:
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in tomllib.loads(f"list = {text}")["list"]]
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{text}: {error}") from None


class Spec:
    """A checked spec. `points()` lists the combinations, each a dict from axis to value."""

    def __init__(self, name, text, overrides=()):
        self.name, self.text, self.told = name, text, set()
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{name}: {error}") from None
        self.check_keys(table, TOP, "", "a spec")
        for key in ("zip", "exclude", "published"):
            self.check_tables(key, table.get(key, []), f"[[{key}]]")
        self.measure = table.get("measure", ["cost"])
        self.repeats, self.limit = table.get("repeats", 1), table.get("limit", 0)
        self.groups, self.timeout, self.runs = table.get("groups", 1), table.get("timeout", 3600), table.get("runs", 5)
        self.parts = {measure: table.get(key, []) if key else ["link"] for measure, key in PARTS.items()}
        self.title, self.note = table.get("title", name), table.get("note", "")
        self.models = self.expanded(table.get("models", {}))
        axes = table.get("axes", {})
        self.axes, self.zips, self.excludes = axes if isinstance(axes, list) else [axes], table.get("zip", []), table.get("exclude", [])
        self.published, self.hosts = table.get("published", []), table.get("hosts")
        for key, values in overrides:
            self.override(key, values)
        self.check()

    def expanded(self, models):
        """The models, of which one with `each` is as many as that names: NAME VALUE."""
        out = {}
        for name, model in models.items():
            if not isinstance(model, dict) or "each" not in model:
                out[name] = model
                continue
            if "{}" not in str(model.get("path")) or not all(isinstance(v, str) for v in model["each"]):
                self.fail("each", f"models.{name}.each is to be strings that stand for {{}} in models.{name}.path")
            for value in model["each"]:
                out[f"{name} {value}"] = {**{k: v for k, v in model.items() if k != "each"}, "path": model["path"].replace("{}", value)}
        return out

    def line_of(self, key, value=None):
        """The line on which a key is set, for messages; of several the first that has the value too."""
        lines = [(number, line) for number, line in enumerate(self.text.splitlines(), 1)
                 if re.search(rf"(^|[{{,])\s*(\[+\s*)?([\w.\"-]+\.)?\"?{re.escape(key)}\"?\s*[=.\]]", line)]
        return next((number for number, line in lines if str(value) in line), lines[0][0] if lines else 1)

    def fail(self, key, message, value=None):
        if key in self.told:
            raise SpecError(f"on the command line: {message}")
        raise SpecError(f"{self.name}, line {self.line_of(key, value)}: {message}")

    def check_tables(self, key, tables, form):
        if not all(isinstance(table, dict) for table in tables):
            self.fail(key, f"'{key}' is to be tables: {form}")

    def check_number(self, key, value):
        least, most = LIMITS.get(key, (0, None))
        if value < least or most is not None and value > most:
            self.fail(key, f"'{key}' is to be " + (f"from {least} to {most}" if most is not None else f"{least} or more") + f", not {value}", value)

    def check_keys(self, table, known, prefix, what):
        for key, value in table.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, 1, 0.5)
                hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(sorted(known))}"
                self.fail(key, f"{what} has no '{prefix}{key}'{hint}")
            if not isinstance(value, known[key]) or isinstance(value, bool) != (known[key] is bool):
                self.fail(key, f"'{prefix}{key}' is to be {WORDS.get(known[key], 'a table')}")
            if known[key] is int:
                self.check_number(key, value)

    def override(self, key, values):
        """KEY=V1,V2 of the command line: an axis, measure, a list of parts, or one of NUMBERS."""
        if key in self.told:
            raise SpecError(f"'{key}=' stands twice; give its values at once")
        self.told.add(key)
        if key in NUMBERS:
            if len(values) > 1:
                raise SpecError(f"'{key}' is one number, not {len(values)}")
            setattr(self, key, self.number(key, values[0]))
            self.check_number(key, getattr(self, key))
        elif key == "measure":
            self.measure = values
            self.axes = [{**axes, "measure": [m for m in axes.get("measure", values) if m in values]} for axes in self.axes]
        elif key in PARTS.values() and key:
            self.parts[next(measure for measure, name in PARTS.items() if name == key)] = values
        elif key in AXES:
            self.override_axis(key, [self.value(key, v) for v in values])
        else:
            near = difflib.get_close_matches(key, [*AXES, "measure", *NUMBERS, *filter(None, PARTS.values())], 1, 0.5)
            raise SpecError(f"'{key}' is no axis" + (f"; did you mean '{near[0]}'?" if near else ""))

    def override_axis(self, key, values):
        """Of a zip that has the values, what stands beside them; otherwise an axis of its own."""
        for z in self.zips:
            if isinstance(z.get(key), list) and set(values) <= set(z[key]):
                kept = [i for i, value in enumerate(z[key]) if value in values]
                z.update({k: [v[i] for i in kept if i < len(v)] for k, v in z.items() if isinstance(v, list)})
                return
        self.zips = [z for z in self.zips if key not in z]
        for axes in self.axes:
            axes[key] = values

    def value(self, key, text):
        """A value of an axis as the command line gives it."""
        kind = AXES[key][0]
        if kind is bool and text not in ("true", "false"):
            raise SpecError(f"'{key}={text}' is to be true or false")
        return self.number(key, text) if kind is int else text == "true" if kind is bool else text

    @staticmethod
    def number(key, text):
        if not re.fullmatch(r"\d{1,9}", str(text)):
            raise SpecError(f"'{key}={text}' is no whole number")
        return int(text)

    def check(self):
        self.check_tables("axes", self.axes, "[axes], or several [[axes]]")
        for axes in self.axes:
            if not isinstance(axes.get("measure", []), list):
                self.fail("measure", "'measure' is to be a list")
        measures = set(itertools.chain(*(axes.get("measure", self.measure) for axes in self.axes)))
        if not measures:
            self.fail("measure", f"nothing is to be measured; known are {', '.join(MEASURES)}")
        for name in sorted(measures - set(MEASURES), key=str):
            near = difflib.get_close_matches(str(name), MEASURES, 1, 0.6)
            self.fail("measure", f"'{name}' cannot be measured; " + (f"did you mean '{near[0]}'?" if near else f"known are {', '.join(MEASURES)}"))
        self.check_parts(measures)
        if not self.models and measures - set(PARTS) - {"fidelity"}:
            self.fail("models", "there is no model: add a table such as [models.base] with arch or path")
        for name, model in self.models.items():
            if not isinstance(model, dict):
                self.fail(name, f"models.{name} is to be a table")
            self.check_keys(model, MODEL, f"models.{name}.", "a model")
            if ("path" in model) == ("arch" in model):
                self.fail(name, f"models.{name} needs either a path or an arch")
            if "prompts" in model and "path" not in model:
                self.fail(name, f"models.{name}.prompts: an architecture with random weights has no words to continue")
            if "data" not in model and measures & {"accuracy", "agreement", "perplexity", "ranges"} and "path" in model:
                self.fail(name, f"models.{name} has no data to measure {', '.join(sorted(measures))} on")
        for axes in self.axes:
            if self.models and not any("model" in z for z in self.zips):
                axes.setdefault("model", list(self.models))
        for table, what in [(axes, "axes") for axes in self.axes] + [(z, "zip") for z in self.zips]:
            for axis, values in table.items():
                if (axis, what) != ("measure", "axes"):
                    self.check_axis(axis, values if isinstance(values, list) else [values], what)
            if what == "zip" and len({len(v) for v in table.values() if isinstance(v, list)}) > 1:
                self.fail("zip", "the lists of a zip differ in length")
        for rule in self.excludes:
            if not rule:
                self.fail("exclude", "an [[exclude]] without axes leaves everything out")
            for axis, values in rule.items():
                self.check_axis(axis, values if isinstance(values, list) else [values], "exclude")
        for axis in itertools.chain(*self.axes):
            if any(axis in z for z in self.zips):
                self.fail(axis, f"'{axis}' stands among the axes and in a zip")
        self.check_hosts()
        self.check_published()

    def check_parts(self, measures):
        """What is measured without a model has a list that says of what; the program knows the names."""
        forms = {"step": (r"\w+=\d{1,9}", "NAME=ELEMENTS"), "op": (r"[\w-]+(=[\w:.-]+?)?(:\d+(x\d+)*)?", "KIND=VARIANT:SHAPE"),
                 "product": (r"\d+x\d+x\d+", "MxKxN"), "link": (r"link", "")}
        for measure in (m for m in PARTS if m in measures):
            if not self.parts[measure]:
                self.fail("measure", f"'{measure}' is measured of what the list '{PARTS[measure]}' names, which is not there")
            for text in self.parts[measure]:
                if not isinstance(text, str) or not re.fullmatch(forms[measure][0], text):
                    self.fail(PARTS[measure], f"'{text}' is to be {forms[measure][1]}")

    def check_hosts(self):
        if self.hosts is None:
            return
        self.check_keys(self.hosts, HOSTS, "hosts.", "a table of hosts")
        for key in ("names", "identities"):
            if len(self.hosts.get(key, [])) != 3 or not all(isinstance(v, str) for v in self.hosts[key]):
                self.fail(key if key in self.hosts else "hosts", f"hosts.{key} is to be three strings, one a party")
        if "parties" not in self.hosts:
            self.fail("hosts", "hosts.parties is to name the parties file (trefoil keygen, HOSTS.md)")

    def check_published(self):
        for entry in self.published:
            self.check_keys(entry, PUBLISHED, "published.", "a published figure")
            for key in ("source", "where", "figures"):
                if key not in entry:
                    self.fail("published", f"a published figure needs '{key}'")
            for axis, value in entry["where"].items():
                if axis not in ("measure", "metric"):
                    self.check_axis(axis, [value], "published")
            for name, value in entry["figures"].items():
                if name not in FIGURES:
                    self.fail(name, f"'{name}' is no figure; known are {', '.join(FIGURES)}")
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    self.fail(name, f"a published '{name}' is to be a number, not {value!r}", value)

    def check_axis(self, axis, values, what):
        if axis not in AXES:
            near = difflib.get_close_matches(axis, AXES, 1, 0.5)
            self.fail(axis, f"{what} has no axis '{axis}'" +
                      (f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(AXES)}"))
        if not values:
            self.fail(axis, f"'{axis}' has no values")
        for value in values:
            if not isinstance(value, AXES[axis][0]) or isinstance(value, bool) != (AXES[axis][0] is bool):
                self.fail(axis, f"'{axis}' is to have values that are {WORDS[AXES[axis][0]]} each, not {value!r}", value)
            if AXES[axis][0] is int:
                self.check_number(axis, value)
            if value == "" and axis in ("approx", "network"):
                self.fail(axis, f"'{axis}' has an empty value", '""')
            if axis == "network" and value not in NETWORKS and not simulated(value):
                self.fail(axis, f"network '{value}' is none of {', '.join(NETWORKS)} and DELAYms,RATEmbit, such as 20ms,100mbit", value)
            if axis == "model" and value not in self.models:
                near = difflib.get_close_matches(value, self.models, 1, 0.4)
                self.fail(axis, f"there is no model '{value}'" + (f"; did you mean '{near[0]}'?" if near else ""))

    def excluded(self, point):
        return any(all(point[a] in (v if isinstance(v, list) else [v]) for a, v in rule.items()) for rule in self.excludes)

    def points(self):
        """All combinations that are not excluded, in the order of the file, each with what is measured of it."""
        zips = [[dict(zip(z, values)) for values in zip(*z.values())] for z in self.zips]
        default = {axis: value for axis, (_, value) in AXES.items()}
        for table in self.axes:
            axes = [[{axis: value} for value in (v if isinstance(v, list) else [v])] for axis, v in table.items() if axis != "measure"]
            for parts in itertools.product(*axes, *zips):
                point = dict(default)
                for part in parts:
                    point.update(part)
                if not self.excluded(point):
                    yield point, table.get("measure", self.measure)


def read_spec(path, overrides=()):
    try:
        with open(path, encoding="utf-8") as file:
            return Spec(str(path), file.read(), overrides)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
