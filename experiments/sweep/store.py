"""The store: a directory with one JSON file a point, written by rename and named by the digest of its settings.

A result is whole or not there. Two sweeps may use one store: whoever computes a point holds a lock on it, and the kernel
drops the lock when its holder dies.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import tomllib

# What a result depends on, by what is measured: only these settings are part of a point's name, so that accuracy is
# computed once and serves all networks, lengths and threads.
EVALUATED = ("model", "approx", "frac_bits", "data", "metric", "columns", "max_length", "ranges", "options")
SIZED = ("model", "approx", "frac_bits", "seq", "tokens", "batch", "layers", "ranges", "options")
PART = ("part", "frac_bits", "network", "threads", "runs", "options")
DEPENDS = {
    "cost": SIZED,
    "time": (*SIZED, "prompts", "draft_model", "network", "threads", "repeat"),
    "profile": (*SIZED, "network", "threads"),
    "accuracy": EVALUATED,
    "agreement": EVALUATED,
    "perplexity": EVALUATED,
    "ranges": EVALUATED,
    "fidelity": (),
    "step": PART,
    "op": PART,
    "product": PART,
    "link": PART,
}
# Measures of a data set, whose limit may grow.
OF_DATA = ("accuracy", "agreement", "perplexity", "ranges")


def digest_of(settings):
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_whole(path, text):
    """Puts a file in place by rename, so that readers see all of it or nothing."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class Point:
    """One thing to measure: `settings` name it; `where` says how to get at the model and the data on this machine."""

    def __init__(self, measure, settings, where, label):
        self.measure, self.where, self.label = measure, where, label
        self.settings = {"measure": measure, "program": where["program"]}
        self.settings.update({k: settings[k] for k in DEPENDS[measure] if k in settings})
        self.digest = digest_of(self.settings)
        self.forecast = None  # the key of its forecast, once somebody asked

    def record(self):
        return {"measure": self.measure, "settings": self.settings, "where": self.where, "label": self.label}

    @staticmethod
    def of_record(record):
        return Point(record["measure"], record["settings"], record["where"], record["label"])


# What a result holds, and of which type.
RESULT = {"digest": str, "measure": str, "settings": dict, "label": dict, "environment": dict, "seconds": (int, float)}


def is_whole(result):
    """Whether this is a result, of success or of failure."""
    return (isinstance(result, dict) and all(isinstance(result.get(k), kind) for k, kind in RESULT.items())
            and (isinstance(result.get("error"), str) or isinstance(result.get("figures"), dict)))


class Store:
    def __init__(self, directory):
        self.directory, self.damaged = pathlib.Path(directory), []

    def create(self):
        for part in ("results", "locks", "predictions", "logs", "specs"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)

    def path(self, digest):
        return self.directory / "results" / (digest + ".json")

    def read(self, digest):
        """The result of a point, or None. A file that is no whole result counts as none."""
        try:
            with open(self.path(digest), encoding="utf-8") as file:
                result = json.load(file)
        except (FileNotFoundError, IsADirectoryError, ValueError):
            return None
        return result if is_whole(result) and result["digest"] == digest else None

    def write(self, digest, result):
        write_whole(self.path(digest), json.dumps({"digest": digest, **result}, indent=1, sort_keys=True) + "\n")

    @contextlib.contextmanager
    def lock(self, digest):
        """Yields whether this process may compute the point: nobody else is at it."""
        with open(self.directory / "locks" / digest, "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def all(self):
        """All whole results; whether there are files that hold none is left in `damaged`."""
        folder = self.directory / "results"
        if not folder.is_dir():
            raise FileNotFoundError(f"{self.directory} is no store of a sweep: it has no results/")
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".json"))
        self.damaged = []
        for name in names:
            if result := self.read(name[:-5]):
                yield result
            else:
                self.damaged.append(name)

    def parsed_specs(self):
        """The specs that were run into this store, as tables."""
        parsed = []
        folder = self.directory / "specs"
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            with contextlib.suppress(ValueError):
                parsed.append(tomllib.loads(path.read_text(encoding="utf-8")))
        return parsed


def state_of(result, point):
    """done, failed, or open (nothing yet, or fewer examples than the point asks for)."""
    if result is None:
        return "open"
    if result.get("error"):
        return "failed"
    wanted, had = point.where.get("limit", 0), result.get("limit", 0)
    grown = point.measure in OF_DATA and had and (wanted == 0 or wanted > had)
    return "open" if grown else "done"
