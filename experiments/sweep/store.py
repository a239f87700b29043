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

# What a result depends on, by what is measured: only these settings are part of a point's name, so that accuracy is
# computed once and serves all networks, lengths and threads.
DEPENDS = {
    "cost": ("model", "approx", "frac_bits", "seq", "tokens", "batch", "layers"),
    "time": ("model", "approx", "frac_bits", "seq", "tokens", "batch", "layers", "network", "threads", "repeat"),
    "accuracy": ("model", "approx", "frac_bits", "data", "metric", "columns", "max_length"),
    "agreement": ("model", "approx", "frac_bits", "data", "metric", "columns", "max_length"),
    "perplexity": ("model", "approx", "frac_bits", "data", "columns", "max_length"),
    "fidelity": ("approx", "frac_bits"),
}


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

    def __init__(self, measure, settings, where):
        self.measure, self.where = measure, where
        self.settings = {"measure": measure, "program": where["program"]}
        self.settings.update({k: settings[k] for k in DEPENDS[measure] if k in settings})
        self.axes = settings
        self.digest = digest_of(self.settings)


class Store:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def create(self):
        for part in ("results", "locks", "predictions", "logs"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)

    def path(self, digest):
        return self.directory / "results" / (digest + ".json")

    def read(self, digest):
        """The result of a point, or None. A file that is no whole result counts as none."""
        try:
            with open(self.path(digest), encoding="utf-8") as file:
                result = json.load(file)
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        return result if isinstance(result, dict) and result.get("digest") == digest else None

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
        """All whole results."""
        folder = self.directory / "results"
        if not folder.is_dir():
            raise FileNotFoundError(f"{self.directory} is no store of a sweep: it has no results/")
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".json"))
        for name in names:
            result = self.read(name[:-5])
            if result:
                yield result


def state_of(result, point):
    """done, failed, or open (nothing yet, or fewer examples than the point asks for)."""
    if result is None:
        return "open"
    if result.get("error"):
        return "failed"
    wanted = point.where.get("limit", 0)
    had, whole = result.get("limit", 0), result.get("whole", True)
    return "open" if not whole and (wanted == 0 or wanted > had) else "done"
