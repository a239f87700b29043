"""One self-contained page of a store: the summary first, then plots, then tables that sort and filter, with each number's
JSON in the page. Opens from disk, loads nothing."""
import collections
import html
import json
import pathlib
import statistics

import plots
import tables

STYLE = pathlib.Path(__file__).with_name("report.css")
SCRIPT = pathlib.Path(__file__).with_name("report.js")
UNITS = {"bytes": "bytes over all links", "seconds": "seconds online", "rounds": "rounds", "memory": "bytes of memory"}


def name_of(row, rows):
    """What tells a row from the others, in words."""
    parts = []
    for column in tables.COLUMNS[1:]:
        values = {str(r.get(column)) for r, _ in rows}
        if len(values) > 1 and row.get(column) not in (None, ""):
            parts.append(f"{row[column]} tokens" if column == "seq" else str(row[column]))
    return ", ".join(parts) or str(row.get("model"))


def plot_all(plt, results, where):
    """(title, caption, figure) of everything there is enough to plot of."""
    cost = list(tables.rows_of([r for r in results if r["measure"] == "cost"], where))
    timed = list(tables.rows_of([r for r in results if r["measure"] == "time"], where))
    accuracy = [row for row, _ in tables.rows_of([r for r in results if r["measure"] in ("accuracy", "agreement", "perplexity")], where)]
    here = [(row, d) for row, d in timed if row["network"] == "none"] or timed

    def of(rows, model, approx, name):
        values = [row[name] for row, _ in rows if row["model"] == model and row["approx"] == approx and name in row]
        return statistics.median(values) if values else None
    for axis, label in (("bytes", "bytes over all links"), ("seconds", "seconds online")):
        source = cost or timed if axis == "bytes" else here
        points = [(f"{row['model']}, {row['approx']}", of(source, row["model"], row["approx"], axis), row.get("value"))
                  for row in accuracy]
        points = [p for p in points if None not in p]
        yield f"Accuracy against {axis}", "Each mark is a model with an approximation; medians.", plots.scatter(plt, points, (label, "metric"))
    bars = collections.OrderedDict()
    for result in results:
        if result["measure"] == "cost" and "error" not in result:
            row = result["label"]
            parts = {}
            for op in result["result"].get("ops", []):
                parts[op["kind"]] = parts.get(op["kind"], 0) + op["bytes"]
            bars[name_of(row, cost)] = parts
    yield ("Bytes by kind of op", "The exact forecast, over all links.",
           plots.stacks(plt, dict(list(bars.items())[:16]), "bytes over all links"))
    for x, label in (("seq", "tokens a text"), ("layers", "layers"), ("batch", "texts a batch"), ("tokens", "tokens generated")):
        for y, rows in (("bytes", cost or timed), ("seconds", here)):
            by = [c for c in ("model", "approx", "layers", "batch", "threads") if c != x and
                  len({str(r.get(c)) for r, _ in rows}) > 1] or ["approx"]
            yield (f"{UNITS[y].capitalize()} by {label}", "Medians; bars from the fastest to the slowest repeat.",
                   plots.lines(plt, rows, x, y, by, (label, UNITS[y])))
    by = [c for c in ("model", "approx", "seq", "batch") if len({str(r.get(c)) for r, _ in timed}) > 1] or ["approx"]
    yield "Seconds by network", "Simulated networks on one machine.", plots.lines(plt, timed, "network", "seconds", by, ("network", "seconds online"))


def table_html(rows, identifier):
    plain = [row for row, _ in rows]
    names = tables.columns_of(plain)
    head = "".join(f'<th scope="col"><button type="button">{html.escape(n)}</button></th>' for n in names)
    lines = []
    for row, digests in rows:
        cells = "".join(f'<td data-value="{html.escape(str(row.get(n, "")))}">{html.escape(tables.text_of(row.get(n)))}</td>' for n in names)
        sources = " ".join(f'<a href="#{d}">{d[:6]}</a>' for d in digests[:4]) + (" …" if len(digests) > 4 else "")
        lines.append(f'<tr{" class=failed" if row.get("error") else ""}>{cells}<td>{sources}</td></tr>')
    return (f'<label class="filter">Filter <input type="search" data-table="{identifier}" placeholder="such as paper 128"></label>'
            f'<div class="scroll"><table id="{identifier}"><thead><tr>{head}<th scope="col">from</th></tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def summary(results):
    """Sentences that say what was measured, where, and what failed."""
    good = [r for r in results if "error" not in r]
    kinds = collections.Counter(r["measure"] for r in good)
    machines = collections.Counter((r["environment"]["processor"], r["environment"]["cores"]) for r in good)
    commits = sorted({r["environment"]["commit"] for r in good if r["environment"]["commit"]})
    lines = [f"{len(good)} results: " + ", ".join(f"{n} of {kind}" for kind, n in kinds.most_common()) + "."]
    lines += [f"Measured on {p or 'an unnamed processor'}, {c} cores ({n} results)." for (p, c), n in machines.most_common(4)]
    if commits:
        lines.append("Program at commit " + ", ".join(commits[:6]) + (" and more" if len(commits) > 6 else "") + ".")
    failed = [r for r in results if "error" in r]
    if failed:
        lines.append(f"{len(failed)} points failed; their reasons stand in the tables.")
    for warning, n in collections.Counter(w for r in good for w in r.get("warnings", [])).most_common(6):
        lines.append(f"Warning ({n} results): {warning}")
    return lines


def write(path, store, results, where=None):
    """Writes the page, and the plots beside it as SVG and PDF where matplotlib is there."""
    results = sorted(results, key=lambda r: json.dumps(r["label"], sort_keys=True))
    plt = plots.load()
    spec = store.directory / "spec.toml"
    title = next((line.split("=", 1)[1].strip().strip('"') for line in spec.read_text(encoding="utf-8").splitlines()
                  if line.startswith("title")), store.directory.name) if spec.exists() else store.directory.name
    figures, target = [], pathlib.Path(path)
    if plt:
        folder = target.with_name(target.stem + "-plots")
        folder.mkdir(exist_ok=True)
        for heading, caption, figure in plot_all(plt, results, where):
            if not figure:
                continue
            base = folder / heading.lower().replace(" ", "-")
            figure.savefig(base.with_suffix(".pdf"), metadata={"CreationDate": None})
            text = plots.svg_of(plt, figure)
            base.with_suffix(".svg").write_text(text, encoding="utf-8")
            figures.append(f"<figure><figcaption><b>{html.escape(heading)}.</b> {html.escape(caption)}</figcaption>{text}</figure>")
    else:
        figures.append("<p>Plots need matplotlib: install Debian's python3-matplotlib and make this page again.</p>")
    sections = []
    for measure in dict.fromkeys(r["measure"] for r in results):
        rows = list(tables.rows_of([r for r in results if r["measure"] == measure], where))
        if rows:
            sections.append(f"<h2>{measure.capitalize()}</h2>{table_html(rows, 'table-' + measure)}")
    sources = "".join(f'<details id="{r["digest"]}"><summary>{r["digest"]}.json: {html.escape(r["measure"])}</summary>'
                      f"<pre>{html.escape(json.dumps(without_ops(r), indent=1))}</pre></details>" for r in results)
    page = ("<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
            f"<title>{html.escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>"
            f"<h1>{html.escape(title)}</h1><ul class=summary>{''.join(f'<li>{html.escape(s)}</li>' for s in summary(results))}</ul>"
            f"<section class=plots>{''.join(figures)}</section>{''.join(sections)}"
            f"<h2>Where each number comes from</h2><p>Every row names its results; each is a file of the store, and stands here whole "
            f"but for the list of ops.</p>{sources}</main><script>{SCRIPT.read_text(encoding='utf-8')}</script></body></html>")
    target.write_text(page, encoding="utf-8")


def without_ops(result):
    if isinstance(result.get("result"), dict) and "ops" in result["result"]:
        return {**result, "result": {**result["result"], "ops": f"{len(result['result']['ops'])} ops"}}
    return result
