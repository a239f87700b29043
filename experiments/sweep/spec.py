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

    [[zip]]                                     # lists of one length, taken side by side, combined with the axes
    seq = [32, 512]
    batch = [8, 1]

    [[exclude]]                                 # combinations to leave out
    approx = "exact"
    seq = 512

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

MEASURES = ("accuracy", "agreement", "perplexity", "cost", "time", "fidelity")
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
TOP = {"measure": list, "repeats": int, "limit": int, "groups": int, "timeout": int, "models": dict, "axes": dict,
       "zip": list, "exclude": list, "title": str, "note": str, "published": list, "hosts": dict}
# prompts: a file of prompts, a line each, which `tokens` are generated after. ranges = false: without ranges.json.
MODEL = {"path": str, "arch": str, "data": str, "metric": str, "columns": str, "max_length": int, "prompts": str, "ranges": bool}
HOSTS = {"names": list, "parties": str, "identities": list}
PUBLISHED = {"source": str, "where": dict, "figures": dict, "differs": str}
FIGURES = ("bytes", "rounds", "seconds", "value", "memory")
WORDS = {int: "a whole number", str: "a string", list: "a list", dict: "a table", bool: "true or false"}


class SpecError(Exception):
    """What is wrong with a spec, with its file and line."""


class Spec:
    """A checked spec. `points()` lists the combinations, each a dict from axis to value."""

    def __init__(self, name, text, overrides=()):
        self.name, self.text = name, text
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{name}: {error}") from None
        self.check_keys(table, TOP, "", "a spec")
        self.measure = table.get("measure", ["cost"])
        self.repeats, self.limit = table.get("repeats", 1), table.get("limit", 0)
        self.groups, self.timeout = table.get("groups", 1), table.get("timeout", 3600)
        self.title, self.note = table.get("title", name), table.get("note", "")
        self.models = table.get("models", {})
        self.axes, self.zips, self.excludes = table.get("axes", {}), table.get("zip", []), table.get("exclude", [])
        self.published, self.hosts = table.get("published", []), table.get("hosts")
        for key, values in overrides:
            self.override(key, values)
        self.check()

    def line_of(self, key):
        """The line on which a key is set, for messages."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if re.search(rf"(^|[{{,])\s*(\[+\s*)?([\w.\"-]+\.)?\"?{re.escape(key)}\"?\s*[=.\]]", line):
                return number
        return 1

    def fail(self, key, message):
        raise SpecError(f"{self.name}, line {self.line_of(key)}: {message}")

    def check_keys(self, table, known, prefix, what):
        for key, value in table.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, 1, 0.5)
                hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(sorted(known))}"
                self.fail(key, f"{what} has no '{prefix}{key}'{hint}")
            if not isinstance(value, known[key]) or isinstance(value, bool) != (known[key] is bool):
                self.fail(key, f"'{prefix}{key}' is to be {WORDS[known[key]]}")

    def override(self, key, values):
        """KEY=V1,V2 of the command line: an axis, or one of measure, repeats, limit."""
        if key in ("repeats", "limit", "groups", "timeout"):
            setattr(self, key, self.number(key, values[0]))
        elif key == "measure":
            self.measure = values
        elif key in AXES:
            kind = AXES[key][0]
            self.zips = [z for z in self.zips if key not in z]
            self.axes[key] = [self.number(key, v) if kind is int else v for v in values]
        else:
            near = difflib.get_close_matches(key, list(AXES) + ["measure", "repeats", "limit"], 1, 0.5)
            raise SpecError(f"'{key}' is no axis" + (f"; did you mean '{near[0]}'?" if near else ""))

    @staticmethod
    def number(key, text):
        if not re.fullmatch(r"\d{1,9}", str(text)):
            raise SpecError(f"'{key}={text}' is no whole number")
        return int(text)

    def check(self):
        for name in self.measure:
            if name not in MEASURES:
                self.fail("measure", f"'{name}' cannot be measured; known are {', '.join(MEASURES)}")
        if not self.models:
            self.fail("models", "there is no model: add a table such as [models.base] with arch or path")
        for name, model in self.models.items():
            if not isinstance(model, dict):
                self.fail(name, f"models.{name} is to be a table")
            self.check_keys(model, MODEL, f"models.{name}.", "a model")
            if ("path" in model) == ("arch" in model):
                self.fail(name, f"models.{name} needs either a path or an arch")
            if "prompts" in model and "path" not in model:
                self.fail(name, f"models.{name}.prompts: an architecture with random weights has no words to continue")
            if "data" not in model and set(self.measure) & {"accuracy", "agreement", "perplexity"} and "path" in model:
                self.fail(name, f"models.{name} has no data to measure {', '.join(self.measure)} on")
        if not any("model" in z for z in self.zips):
            self.axes.setdefault("model", list(self.models))
        for table, what in [(self.axes, "axes")] + [(z, "zip") for z in self.zips]:
            for axis, values in table.items():
                self.check_axis(axis, values if isinstance(values, list) else [values], what)
            if what == "zip" and len({len(v) for v in table.values() if isinstance(v, list)}) > 1:
                self.fail("zip", "the lists of a zip differ in length")
        for rule in self.excludes:
            for axis, values in rule.items():
                self.check_axis(axis, values if isinstance(values, list) else [values], "exclude")
        for axis in self.axes:
            if any(axis in z for z in self.zips):
                self.fail(axis, f"'{axis}' stands among the axes and in a zip")
        self.check_hosts()
        self.check_published()

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
            for name in entry["figures"]:
                if name not in FIGURES:
                    self.fail(name, f"'{name}' is no figure; known are {', '.join(FIGURES)}")

    def check_axis(self, axis, values, what):
        if axis not in AXES:
            near = difflib.get_close_matches(axis, AXES, 1, 0.5)
            self.fail(axis, f"{what} has no axis '{axis}'" +
                      (f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(AXES)}"))
        if not values:
            self.fail(axis, f"'{axis}' has no values")
        for value in values:
            if not isinstance(value, AXES[axis][0]) or isinstance(value, bool):
                self.fail(axis, f"'{axis}' is to have values that are {WORDS[AXES[axis][0]]} each, not {value!r}")
            if axis == "model" and value not in self.models:
                near = difflib.get_close_matches(value, self.models, 1, 0.4)
                self.fail(axis, f"there is no model '{value}'" + (f"; did you mean '{near[0]}'?" if near else ""))

    def excluded(self, point):
        return any(all(point[a] in (v if isinstance(v, list) else [v]) for a, v in rule.items()) for rule in self.excludes)

    def points(self):
        """All combinations that are not excluded, in the order of the file."""
        axes = [[{axis: value} for value in (v if isinstance(v, list) else [v])] for axis, v in self.axes.items()]
        zips = [[dict(zip(z, values)) for values in zip(*z.values())] for z in self.zips]
        default = {axis: value for axis, (_, value) in AXES.items()}
        for parts in itertools.product(*axes, *zips):
            point = dict(default)
            for part in parts:
                point.update(part)
            if not self.excluded(point):
                yield point


def read_spec(path, overrides=()):
    try:
        with open(path, encoding="utf-8") as file:
            return Spec(str(path), file.read(), overrides)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {error}") from None
