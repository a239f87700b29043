"""Makes a store with results of every kind, as a sweep would leave it, with figures that follow a simple rule."""
import itertools
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "experiments" / "sweep"))
from store import Point, Store  # noqa: E402

PROGRAM = "0.1.0 test"
ENVIRONMENT = {"host": "here", "processor": "a processor", "cores": 2, "load": 3.5, "version": PROGRAM, "commit": "test", "mpi": "", "slurm": {}}
PRICE = {"exact": 4.0, "puma": 5.0, "paper": 1.0}


def add(store, measure, axes, repeat, figures, result):
    label = dict(axes, measure=measure, program=PROGRAM, **({"repeat": repeat} if measure == "time" else {}))
    point = Point(measure, {**axes, "repeat": repeat}, {"program": PROGRAM, "axes": axes}, label)
    store.write(point.digest, {"settings": point.settings, "label": label, "measure": measure, "limit": 0, "environment": ENVIRONMENT,
                               "seeds": {}, "started": "2026-01-01T00:00:00Z", "warnings": [], "figures": figures, "result": result, "seconds": 1.0})


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
    failed = next(iter(store.all()))
    del failed["figures"], failed["result"]
    store.write(failed["digest"], {**failed, "error": "a party went away | with <b>words</b> that are to be shown as they are"})
    print(json.dumps(len(list(store.all()))))


main()
