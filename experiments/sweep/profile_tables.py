"""Where the time of a run goes: a row an op, of results of the measure `profile`."""
import tables

ACTIVITIES = ("local", "prf", "encryption", "packing", "waiting")
# Ring products that a party makes of each multiplication: one with a weight, five thirds between two activations.
PRODUCTS_OF_A_PARTY = {"attention": 5 / 3}


def five_products(profile, cores):
    """Seconds that five ring products a multiplication, the usual number, would take at peak on so many cores."""
    return sum(5 / PRODUCTS_OF_A_PARTY.get(op["kind"], 1) * op["product"]["peak_seconds"] for op in profile["ops"] if "product" in op) / cores


def rows_of(profile):
    """A row for each kind of op, for inputs and outputs, and for all."""
    named = [(f"{op['kind']}={op['variant']}" if op["variant"] else op["kind"], op) for op in profile["ops"]]
    for label, part in named + [("inputs, outputs", profile["rest"]), ("all", profile["total"])]:
        row = {"op": label, "ops": part["ops"], "seconds": round(part["seconds"].get("total", 0.0), 5)}
        row.update({a: round(part["seconds"].get(a, 0.0), 5) for a in ACTIVITIES})
        row.update(bytes=part["bytes"], rounds=part["rounds"])
        if "product" in part:
            row.update({"products": round(part["product"]["seconds"], 5), "of peak": f"{100 * part['product']['efficiency']:.0f} %"})
        yield row, []


def profiles(results, where=None):
    """(what it is of, its rows, a sentence) of each profile."""
    for result in results:
        label = result["label"]
        if result["measure"] != "profile" or "error" in result or any(str(label.get(k)) not in v for k, v in (where or {}).items()):
            continue
        profile, cores = result["result"]["profile"], result["environment"]["cores"]
        limit, online = five_products(profile, cores), result["figures"]["seconds"]
        peak = ", ".join(f"{rate / 1e9:.1f} ({bits} bits)" for bits, rate in profile["peak"].items())
        named = [c for c in tables.COLUMNS if c not in ("measure", "program", "frac_bits") and label.get(c) != "none"]
        yield tables.name_of(label, named), list(rows_of(profile)), (
            f"Kernels {profile['kernels']}; peak of one core, {peak} billion multiply-adds a second. Five ring products a "
            f"multiplication would take {limit:.3g} s at that peak on {cores} cores; the run took {online:.3g} s"
            + (f", {online / limit:.2f} times as long." if limit else "."))


NOTE = ("Seconds of party 0's first thread by the clock; `products` are its processor seconds in ring products, a part of `local`; an op's "
        "`rounds` are those it takes alone.")
