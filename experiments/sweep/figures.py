"""Which plots a store has enough for: each with a heading and a caption."""
import statistics

import plots
import profile_tables
import tables
from spec import OPTIONS

LABELS = {"bytes": "bytes over all links", "seconds": "seconds", "seq": "tokens a text", "layers": "layers", "batch": "texts a batch",
          "tokens": "tokens generated", "network": "network", "frac_bits": "fractional bits", "threads": "threads a party"}


def differing(rows, columns):
    """Those of the columns in which the rows differ."""
    return [c for c in columns if len({str(row.get(c)) for row, _ in rows}) > 1]


def series_by(rows, x, y):
    """(heading's end, series): of all rows, or where these are too many a group for each model; at most MOST_SERIES."""
    by = differing(rows, [c for c in ("model", "approx", "seq", "layers", "batch", "tokens", "network", "threads", "frac_bits", *OPTIONS) if c != x])
    rows = [(row, d) for row, d in rows if row.get(x) not in (None, "", 0) and row.get(y) is not None]
    fixed = {}
    for column in [c for c in by if c not in ("model", "approx")]:  # other axes stand at their most frequent value
        values = [row.get(column) for row, _ in rows]
        if values:
            fixed[column] = max(dict.fromkeys(values), key=values.count)
    rows = [(row, d) for row, d in rows if all(row.get(c) == v for c, v in fixed.items())]
    words = tables.name_of(fixed, fixed)
    note = f"At {words}." if words else ""
    named = [c for c in by if c in ("model", "approx")] or ["approx"]
    whole = plots.series_of(rows, x, y, named)
    if len(whole) <= plots.MOST_SERIES:
        yield "", note, whole
        return
    for model in dict.fromkeys(row["model"] for row, _ in rows):
        series = plots.series_of([(r, d) for r, d in rows if r["model"] == model], x, y, ["approx"])
        cut = len(series) - plots.MOST_SERIES
        more = f" {cut} more approximations stand in the table." if cut > 0 else ""
        yield f", {model}", note + more, dict(list(series.items())[:plots.MOST_SERIES])


def bars_of(results, rows):
    """{name: {kind of op: bytes}} of forecasts."""
    by = differing(rows, tables.COLUMNS[1:-1])
    bars = {}
    for result in results:
        if result["measure"] == "cost" and "error" not in result:
            label = result["label"]
            bars[tables.name_of(label, by) or label["model"]] = {k["kind"]: k["bytes"] for k in result["result"].get("kinds", [])}
    return bars


def all_of(plt, results, where):
    """(heading, caption, figure or None)."""
    def rows(*measures):
        return list(tables.rows_of([r for r in results if r["measure"] in measures], where))
    cost, timed = rows("cost"), rows("time")
    quality = rows("accuracy", "agreement", "perplexity")
    moved = cost or timed
    here = [(row, d) for row, d in timed if row["network"] == "none"] or timed

    def of(source, row, name):
        values = [r[name] for r, _ in source if r["model"] == row["model"] and r["approx"] == row["approx"] and name in r]
        return statistics.median(values) if values else None
    measures = list(dict.fromkeys(row["measure"] for row, _ in quality))
    for measure in [m for m in measures if m != "agreement" or "accuracy" not in measures]:
        metric = "accuracy" if measure == "agreement" else measure
        for name, source in (("bytes", moved), ("seconds", here)):
            marks = {}
            for row, _ in quality:
                if row["measure"] == measure and "value" in row and of(source, row, name) is not None:
                    bits = f", {row['frac_bits']} bits" if differing(quality, ["frac_bits"]) else ""
                    marks.setdefault((f"{row['model']}, {row['approx']}{bits}", of(source, row, name)), []).append(row["value"])
            points = [(*mark, statistics.median(values)) for mark, values in marks.items()][:2 * plots.MOST_SERIES]
            caption = "Each mark is a model with an approximation; medians over lengths, batches and whatever else differs."
            yield f"{metric.capitalize()} against {name}", caption, plots.scatter(plt, points, name, (LABELS[name], metric))
        some = [(row, d) for row, d in quality if row["measure"] == measure]
        for end, note, series in series_by(some, "frac_bits", "value"):
            yield (f"{metric.capitalize()} by fractional bits{end}", note,
                   plots.lines(plt, series, "frac_bits", "value", (LABELS["frac_bits"], metric)))
    bars = bars_of(results, cost)
    chosen = dict(sorted(bars.items(), key=lambda item: -sum(item[1].values()))[:14])
    caption = "The exact forecast, over all links" + (f"; the 14 largest of {len(bars)}." if len(bars) > 14 else ".")
    yield "Bytes by kind of op", caption, plots.stacks(plt, chosen, "part of all bytes, %")
    spent = {name: {row["op"]: row["seconds"] for row, _ in parts[:-1]} for name, parts, _ in profile_tables.profiles(results, where)}
    yield ("Seconds by kind of op", "Party 0's first thread by the clock, waiting included.",
           plots.stacks(plt, dict(list(spent.items())[:14]), "part of the time, %", lambda seconds: f"{seconds:.3g} s"))
    for x in ("seq", "layers", "batch", "tokens", "threads"):
        for y, source in (("bytes", moved), ("seconds", here)):
            if x == "threads" and y == "bytes":
                continue
            for end, note, series in series_by(source, x, y):
                caption = "The exact forecast." if y == "bytes" else "Medians; bars from the fastest to the slowest repeat."
                yield (f"{y.capitalize()} by {LABELS[x]}{end}", " ".join(filter(None, (caption, note))),
                       plots.lines(plt, series, x, y, (LABELS[x], LABELS[y])))
    for end, note, series in series_by(timed, "network", "seconds"):
        yield (f"Seconds by network{end}", " ".join(filter(None, ("Simulated networks on one machine; medians.", note))),
               plots.lines(plt, series, "network", "seconds", (LABELS["network"], LABELS["seconds"])))
