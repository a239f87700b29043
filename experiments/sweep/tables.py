"""Tables of a store: rows of medians over repeats, filtered and grouped, as CSV, Markdown or JSON; and comparisons."""
import csv
import io
import json
import statistics

from spec import MEASURES, OPTIONS, PARTS, values_of

COLUMNS = ("measure", "model", "size", "approx", "frac_bits", "seq", "tokens", "batch", "layers", "network", "threads", *OPTIONS, "program")
# Figures, and which way is worse.
FIGURES = ("bytes", "per_element", "rounds", "memory", "seconds", "fastest", "slowest", "setup", "prefill", "per_token", "total", "value",
           "examples", "plain_value", "agreement", "max_abs_error", "range_free", "range_bounded", "one_way", "all_ways", "cipher", "round_seconds")
GOOD = ("value", "agreement")  # except perplexity


class TableError(Exception):
    pass


def numbers_of(result):
    """The figures of a result by name: what tables show and comparisons compare."""
    return {name: result["figures"][name] for name in FIGURES if result.get("figures", {}).get(name) is not None}


def parse_where(rules):
    """KEY=V1,V2 ...: rows must have one of the values of each key."""
    wanted = {}
    for rule in rules or ():
        key, sign, values = rule.partition("=")
        if not sign or key not in COLUMNS:
            raise TableError(f"'{rule}' is to be COLUMN=VALUE,..., a column being one of {', '.join(COLUMNS)}")
        wanted[key] = values_of(values)
    return wanted


def rows_of(results, where=None, by=None):
    """A row a point, or a group with the same columns of `by`: medians, the spread of seconds, how many, or the reason."""
    groups = {}
    for result in results:
        label = result["label"]
        if result["measure"] == "cost":  # which network and threads it stood beside in the spec does not matter
            label = {**label, "network": "", "threads": 0}
        if any(str(label.get(k)) not in v for k, v in (where or {}).items()):
            continue
        key = tuple(label.get(column) for column in (by or COLUMNS))
        groups.setdefault(key, []).append(result)
    for key, members in groups.items():
        row = dict(zip(by or COLUMNS, key))
        columns = {}
        failed = [m["error"] for m in members if "error" in m]
        for member in members:
            if "error" not in member:
                for name, number in numbers_of(member).items():
                    columns.setdefault(name, []).append(number)
        for name in (n for n in FIGURES if n in columns):
            row[name] = statistics.median(columns[name])
            if name == "seconds" and len(columns[name]) > 1:
                row["fastest"], row["slowest"] = min(columns[name]), max(columns[name])
        row["points"] = len(members) - len(failed)
        if failed:
            row["error"] = failed[0]
        yield row, [m["digest"] for m in members]


# What a number in a series' name is of.
WORDS = {"seq": "tokens", "layers": "layers", "batch": "texts", "threads": "threads", "frac_bits": "bits", "tokens": "generated"}


def name_of(row, columns):
    """What a row is, in words; what is 0, one text, one thread or no network goes without saying."""
    words = []
    for c in columns:
        value = row.get(c)
        if value in (None, "", 0) or (c, value) in (("batch", 1), ("threads", 1), ("network", "none")):
            continue
        name = c.replace("_", " ")
        words.append(f"{value} {WORDS[c]}" if c in WORDS else name if value is True else f"{name} {value}" if c in OPTIONS else str(value))
    return ", ".join(words)


def size_text(value):
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:.3g} {unit}"
        value /= 1000


def cell_text(name, value):
    """A cell for people: bytes and seconds with units that can be compared at a glance."""
    if value in (None, ""):
        return ""
    if name in ("bytes", "memory") and isinstance(value, (int, float)):
        return size_text(value)
    if name in ("one_way", "all_ways", "cipher"):
        return size_text(value) + "/s"
    if isinstance(value, bool):
        return "yes" if value else ""
    if name in ("layers", "tokens", "seq", "batch", "threads") and value == 0:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def columns_of(rows):
    """The columns in which something stands that differs: labels first, then figures."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if any(name in COLUMNS for name in names):
        place = {name: i for i, name in enumerate((*COLUMNS[:-1], "options", "program", "accuracy", "perplexity", *FIGURES, "points", "error"))}
        names.sort(key=lambda name: place.get(name, len(place)))
    programs = len({row.get("program") for row in rows})
    return [n for n in names if any(row.get(n) not in (None, "", 0) for row in rows) and (n != "program" or programs > 1)]


# What is said once, in words, where all rows of a table have the same.
SAID_ONCE = ("frac_bits", "seq", "tokens", "batch", "layers", "network", "threads", "options")


def condensed(rows):
    """Rows for people: options of the program share a column, and what all rows have in common has none. The rows, and
    what they have in common in words."""
    out = []
    for row, digests in rows:
        short = {}
        for name, value in row.items():
            short.update({"options": name_of(row, OPTIONS)} if name in OPTIONS else {name: value})
        out.append((short, digests))
    shared = {n: out[0][0][n] for n in SAID_ONCE if out and n in out[0][0]} if len(out) > 1 else {}
    shared = {n: v for n, v in shared.items() if all(row.get(n) == v for row, _ in out)}
    words = ", ".join(filter(None, (name_of(shared, [n for n in shared if n != "options"]), shared.get("options"))))
    return [({n: v for n, v in row.items() if n not in shared}, digests) for row, digests in out], words


def measures_of(results):
    """The measures that there are, in the order in which they are known."""
    there = {r["measure"] for r in results}
    return [m for m in MEASURES if m in there]


def order(row):
    """Rows by measure, model and sizes."""
    return [(isinstance(v, str), v) for v in (row.get(c) if row.get(c) is not None else "" for c in (*COLUMNS, "options"))]


def head_of(name, rows):
    """A column's heading: of parts, not `model` but what they are."""
    kinds = {row.get("measure") for row in rows}
    return kinds.pop() if name == "model" and kinds <= set(PARTS) and len(kinds) == 1 else name


def render(rows, form, without=()):
    rows = sorted((row for row, _ in rows), key=order)
    if form == "json":
        return json.dumps(rows, indent=1) + "\n"
    names = [n for n in columns_of(rows) if n not in without]
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    lines = ["| " + " | ".join(head_of(n, rows) for n in names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(cell_text(n, row.get(n)).replace("|", "\\|") for n in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def published_rows(entries, rows):
    """A row for each of others' figures, ours beside it: of the first row of ours that fits and has the figure."""
    for entry in entries:
        fitting = [(row, d) for row, d in rows if all(row.get(k) == v for k, v in entry["where"].items())]
        out = {"what": name_of(entry["where"], entry["where"])}
        digests = []
        for name, value in entry["figures"].items():
            wanted = ("time",) if name == "seconds" else ("cost", "time") if name in ("bytes", "rounds", "memory") else ()
            mine = [(row, d) for row, d in fitting if name in row and (not wanted or row["measure"] in wanted)]
            mine.sort(key=lambda item: wanted.index(item[0]["measure"]) if wanted else 0)
            ours = mine[0][0][name] if mine else None
            digests += mine[0][1] if mine else []
            out[f"published {name}"] = cell_text(name, value)
            out[f"our {name}"] = cell_text(name, ours) or "not measured"
            if name != "value":
                out[f"times {name}"] = round(value / ours, 1) if ours else ""
        yield {**out, "source": entry["source"], "what differs": entry.get("differs", "")}, digests


def compare(ours, theirs, threshold):
    """Lines for each figure that differs by more than `threshold` (a part of the other store's), and whether any does."""
    shared = tuple(c for c in COLUMNS if c != "program")

    def table(results):
        newest = sorted(results, key=lambda r: r.get("started", ""))  # of several programs the last one's
        return {tuple(str(row.get(c)) for c in shared): row for row, _ in rows_of(newest)}
    a, b = table(ours), table(theirs)
    lines, worse = [], False
    for key in a.keys() & b.keys():
        for name in ("bytes", "rounds", "memory", "seconds", "value", "agreement", "max_abs_error"):
            if name not in a[key] or name not in b[key]:
                continue
            x, y = a[key][name], b[key][name]
            change = (x - y) / abs(y) if y else float(x != y)
            if abs(change) > threshold:
                lines.append(f"{' '.join(k for k in key if k not in ('None', '0'))}: {name} {cell_text(name, y)} -> {cell_text(name, x)} ({change:+.1%})")
                worse |= change < 0 if name in GOOD and key[0] != "perplexity" else change > 0
    only = len(a.keys() - b.keys()), len(b.keys() - a.keys())
    if any(only):
        lines.append(f"{only[0]} rows stand only here, {only[1]} only there")
    return sorted(lines), worse
