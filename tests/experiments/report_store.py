"""Makes a store with results of every kind, as a sweep would leave it, with figures that follow a simple rule."""
import itertools
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "experiments" / "sweep"))
from spec import OPTIONS  # noqa: E402
from store import Point, Store  # noqa: E402

PROGRAM = "0.1.0 test"
ENVIRONMENT = {"host": "here", "processor": "a processor", "cores": 2, "load": 3.5, "version": PROGRAM, "commit": "test", "mpi": "", "slurm": {}}
PRICE = {"exact": 4.0, "puma": 5.0, "paper": 1.0}


def add(store, measure, axes, repeat, figures, result):
    label = dict(axes, measure=measure, program=PROGRAM, **({"repeat": repeat} if measure == "time" else {}))
    point = Point(measure, {**axes, "part": axes["model"], "options": {k: v for k, v in axes.items() if k in OPTIONS}, "repeat": repeat}, {"program": PROGRAM, "axes": axes}, label)
    store.write(point.digest, {"settings": point.settings, "label": label, "measure": measure, "limit": 0, "environment": ENVIRONMENT,
                               "seeds": {}, "started": "2026-01-01T00:00:00Z", "warnings": [], "figures": figures, "result": result, "seconds": 1.0})


def profiled(kind, seconds, product=False):
    parts = {"local": 0.5, "prf": 0.2, "encryption": 0.1, "packing": 0.05, "waiting": 0.15}
    row = {"kind": kind, "variant": "exact" if kind != "linear" else None, "ops": 12, "bytes": int(seconds * 1e8), "rounds": 24,
           "seconds": {"total": seconds, **{name: seconds * part for name, part in parts.items()}}}
    return {**row, "product": {"seconds": seconds / 3, "peak_seconds": seconds / 6, "efficiency": 0.5}} if product else row


def add_others(store):
    """What is measured with options of the program, and all that needs no plot of its own."""
    for model, approx, options in itertools.product(("small", "large"), PRICE, ({}, {"planned_for": "wan"}, {"planned_for": "measured", "check_copies": True})):
        axes = {"model": model, "approx": approx, "frac_bits": 16, "seq": 128, "tokens": 0, "batch": 1, "layers": 0, "network": "none", "threads": 1}
        ops = [profiled(kind, seconds, kind in ("linear", "attention")) for kind, seconds in
               (("attention", 2.0), ("linear", 1.5), ("gelu", 1.0), ("softmax", 0.7), ("layernorm", 0.5), ("embedding", 0.2), ("tanh", 0.1), ("add", 0.05), ("argmax", 0.02))]
        profile = {"kernels": "avx2", "peak": {"32": 9e9, "64": 3e9}, "ops": ops, "rest": profiled("rest", 0.1), "total": profiled("all", 6.17, True)}
        add(store, "profile", {**axes, **options}, 0, {"bytes": 10**8, "rounds": 169, "seconds": 6.2, "setup": 0.1, "total": 6.3}, {"profile": profile})
        data = {**axes, **options, "seq": 0, "batch": 0, "network": "", "threads": 0}
        add(store, "agreement", data, 0, {"value": 0.9, "plain_value": 0.91, "agreement": 0.99, "max_abs_error": 0.001, "examples": 100}, {})
        add(store, "ranges", data, 0, {"value": 0.9, "examples": 100, "range_free": 0.2, "range_bounded": 0.9}, {})
    for measure, name, size in (("step", "relu", 393216), ("op", "softmax=exact", "12x128x128"), ("product", "128x768x768", "")):
        axes = {"model": name, "size": size, "approx": "", "frac_bits": 16, "seq": 0, "tokens": 0, "batch": 0, "layers": 0, "network": "none", "threads": 1}
        add(store, measure, axes, 0, {"bytes": 10**7, "rounds": 4, "seconds": 0.2, "fastest": 0.1, "slowest": 0.3, "setup": 0.1, "total": 0.3, "per_element": 25.4}, {})


def main():
    store = Store(sys.argv[1])
    store.create()
    (store.directory / "specs" / "all.toml").write_text("""title = "A store of every kind, with a title that is long enough to be broken over lines"
measure = ["cost"]
[models.small]
arch = "bert-tiny"
[models.large]
arch = "bert-base"
[[published]]
source = "A paper with a long name, Table 3"
where = { model = "large", approx = "exact", seq = 128 }
figures = { bytes = 10800000000, seconds = 33.9 }
differs = "three hosts, and a sentence that is long enough to need several lines in a narrow window"
""", encoding="utf-8")
    for (model, size), approx, seq, batch in itertools.product((("small", 1), ("large", 20)), PRICE, (32, 128, 512), (1, 8)):
        axes = {"model": model, "approx": approx, "frac_bits": 16, "seq": seq, "tokens": 0, "batch": batch, "layers": 0, "network": "none", "threads": 1}
        moved = int(1e5 * size * PRICE[approx] * seq * batch)
        parts = [{"kind": k, "ops": 2, "bytes": moved * n // 10, "rounds": 9} for k, n in (("gelu", 5), ("attention", 3), ("linear", 2))]
        add(store, "cost", axes, 0, {"bytes": moved, "rounds": 169, "memory": 10**8}, {"kinds": parts})
        for network, slower in (("none", 1), ("lan", 2), ("wan", 9)):
            for repeat in range(3):
                seconds = slower * moved * 1e-8 * (1 + 0.1 * repeat)
                add(store, "time", {**axes, "network": network}, repeat,
                    {"bytes": moved, "rounds": 169, "seconds": seconds, "setup": 0.1, "total": seconds + 0.1, "memory": 2 * 10**8}, {})
    for model, approx, bits in itertools.product(("small", "large"), PRICE, (12, 16)):
        axes = {"model": model, "approx": approx, "frac_bits": bits, "seq": 0, "tokens": 0, "batch": 0, "layers": 0, "network": "", "threads": 0}
        add(store, "accuracy", axes, 0, {"value": 0.9 - 0.1 * (approx == "paper") - (16 - bits) / 100, "examples": 100}, {})
    add_others(store)
    failed = next(r for r in store.all() if r["measure"] == "time")
    del failed["figures"], failed["result"]
    store.write(failed["digest"], {**failed, "error": "a party went away | with <b>words</b> that are to be shown as they are"})
    print(json.dumps(len(list(store.all()))))


main()
