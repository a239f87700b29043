"""One self-contained page of a store: the summary first, others' published figures beside ours, plots, then tables that
sort and filter, with each number's JSON in the page. Opens from disk, loads nothing."""
import collections
import html
import json
import pathlib

import figures
import plots
import profile_tables
import tables

STYLE = pathlib.Path(__file__).with_name("report.css")
SCRIPT = pathlib.Path(__file__).with_name("report.js")


def kind(name, value):
    """The class of a cell."""
    return " class=number" if isinstance(value, (int, float)) else f" class={name}" if name in ("error", "options") else ""


def table(rows, identifier, sources=True):
    """A table that sorts and filters, each row with links to its results; the measure stands in the heading."""
    rows, shared = tables.condensed(rows)
    plain = [row for row, _ in rows]
    names = [n for n in tables.columns_of(plain) if n != "measure"]
    head = "".join(f'<th scope="col"><button type="button">{html.escape(tables.head_of(n, plain).replace("_", " "))}</button></th>' for n in names)
    lines = []
    for row, digests in rows:
        cells = "".join(f'<td data-value="{html.escape(str(row.get(n, "")))}"{kind(n, row.get(n))}>'
                        f'{html.escape(tables.cell_text(n, row.get(n)))}</td>' for n in names)
        links = " ".join(f'<a href="#{d}">{d[:6]}</a>' for d in digests[:6]) + (" …" if len(digests) > 6 else "")
        lines.append(f'<tr{" class=failed" if row.get("error") else ""}>{cells}{f"<td class=from>{links}</td>" if sources else ""}</tr>')
    said = f"<p class=shared>All rows: {html.escape(shared)}.</p>" if shared else ""
    return (f'{said}<label class="filter">Filter <input type="search" data-table="{identifier}" placeholder="words, such as paper 128"></label>'
            f'<div class="scroll"><table id="{identifier}"><thead><tr>{head}{"<th scope=col>from</th>" if sources else ""}</tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def summary(results):
    """Sentences that say what was measured, where, and what failed."""
    good = [r for r in results if "error" not in r]
    kinds = collections.Counter(r["measure"] for r in good)
    machines = collections.Counter((r["environment"]["processor"], r["environment"]["cores"]) for r in good if r["measure"] != "cost")
    programs = sorted({r["environment"]["version"] for r in good})
    lines = [f"{len(good)} results: " + ", ".join(f"{n} of {kind}" for kind, n in kinds.most_common()) + "."]
    lines += [f"Run on {p or 'an unnamed processor'}, {c} {'core' if c == 1 else 'cores'} ({n} results)." for (p, c), n in machines.most_common(4)]
    loads = [r["environment"]["load"] / max(1, r["environment"]["cores"]) for r in good if r["measure"] not in ("cost", "ranges", "fidelity")]
    if loads and max(loads) > 0.5:
        lines.append(f"The machine had other work: a load of up to {max(loads):.1f} for each core when a measurement began. "
                     "What ran beside it is in the seconds, though not in bytes and rounds.")
    if programs:
        lines.append("Program: trefoil " + ", ".join(programs[:4]) + (" and more" if len(programs) > 4 else "") + ".")
    failed = [r for r in results if "error" in r]
    if failed:
        lines.append(f"{len(failed)} points failed; their reasons stand in the tables.")
    for warning, n in collections.Counter(w for r in good for w in r.get("warnings", [])).most_common(6):
        lines.append(f"Warning ({n} results): {warning}")
    return lines


def glance(results, where):
    """The whole in a small table, a model with an approximation a row: medians of what each measure is for, of time
    without a network where it was measured so."""
    rows = {}
    here = {r["label"]["model"] for r in results if r["measure"] == "time" and r["label"]["network"] == "none"}
    for measures, figures_kept in ((("accuracy", "agreement", "perplexity"), ("value", "agreement", "max_abs_error")),
                                   (("cost",), ("bytes", "rounds", "memory")), (("time",), ("seconds", "fastest", "slowest"))):
        for measure in measures:
            some = [r for r in results if r["measure"] == measure and not (
                measure == "time" and r["label"]["model"] in here and r["label"]["network"] != "none")]
            for row, _ in tables.rows_of(some, where, ["model", "approx"]):
                out = rows.setdefault((row["model"], row["approx"]), {"model": row["model"], "approx": row["approx"]})
                for name in figures_kept:
                    if name in row:
                        out[measure if name == "value" and measure != "agreement" else "accuracy" if name == "value" else name] = row[name]
    return [(row, []) for row in rows.values()]


def draw(plt, target, results, where):
    """The plots as HTML, and each beside the page as SVG and PDF."""
    if not plt:
        return "<p>Plots need matplotlib: install Debian's python3-matplotlib and make this page again.</p>"
    folder, drawn = target.with_name(target.stem + "-plots"), []
    folder.mkdir(exist_ok=True)
    for heading, caption, figure in figures.all_of(plt, results, where):
        if not figure:
            continue
        base = str(folder / heading.lower().replace(",", "").replace(" ", "-"))
        figure.savefig(base + ".pdf", metadata={"CreationDate": None})
        text = plots.svg_of(plt, figure)
        pathlib.Path(base + ".svg").write_text(text, encoding="utf-8")
        drawn.append(f'<figure role="img" aria-label="{html.escape(heading)}"><figcaption><b>{html.escape(heading)}.</b> {html.escape(caption)}'
                     f"</figcaption>{text}</figure>")
    return "".join(drawn)


def embedded(results):
    """The results as JSON inside of a script element, by their digests."""
    text = json.dumps({r["digest"]: r for r in results}, separators=(",", ":"), sort_keys=True)
    return text.replace("</", "<\\/")


def title_of(specs, store):
    return " and ".join(s["title"] for s in specs if "title" in s) or store.directory.name


def write_text(path, store, results, where=None):
    """Writes the summary and the tables as Markdown."""
    specs = store.parsed_specs()
    lines = [f"# {title_of(specs, store)}", ""]
    lines += [" ".join(s["note"].split()) + "\n" for s in specs if "note" in s]
    lines += ["- " + sentence for sentence in summary(results)] + [""]
    entries = [e for s in specs for e in s.get("published", [])]
    rows = list(tables.rows_of(results, where))
    if entries:
        lines += ["## Published figures beside ours", "", tables.render(list(tables.published_rows(entries, rows)), "md")]
    for measure in tables.measures_of(results):
        some = list(tables.rows_of([r for r in results if r["measure"] == measure], where))
        some, shared = tables.condensed(some)
        if some:
            lines += [f"## {measure.capitalize()}", "", *([f"All rows: {shared}.", ""] if shared else []), tables.render(some, "md", ("measure",))]
    profiles = list(profile_tables.profiles(results, where))
    lines += ["## Where the time goes", "", profile_tables.NOTE, ""] if profiles else []
    for name, parts, sentence in profiles:
        lines += [f"### {name}", "", tables.render(parts, "md"), sentence, ""]
    pathlib.Path(path).write_text("\n".join(lines), encoding="utf-8")


def write(path, store, results, where=None):
    """Writes the page, and the plots beside it as SVG and PDF where matplotlib is there."""
    results = sorted(results, key=lambda r: json.dumps(r["label"], sort_keys=True))
    specs, target = store.parsed_specs(), pathlib.Path(path)
    title = title_of(specs, store)
    notes = "".join(f"<p class=note>{html.escape(' '.join(s['note'].split()))}</p>" for s in specs if "note" in s)
    sections = [f"<h2>At a glance</h2>{table(glance(results, where), 'table-glance', False)}"]
    entries = [e for s in specs for e in s.get("published", [])]
    if entries:
        rows = list(tables.published_rows(entries, list(tables.rows_of(results, where))))
        sections.append(f"<h2>Published figures beside ours</h2>{table(rows, 'table-published')}")
    sections.append(f"<h2>Plots</h2><section class=plots>{draw(plots.load(), target, results, where)}</section>")
    for measure in tables.measures_of(results):
        rows = sorted(tables.rows_of([r for r in results if r["measure"] == measure], where), key=lambda item: tables.order(item[0]))
        if rows:
            sections.append(f"<h2>{measure.capitalize()}</h2>{table(rows, 'table-' + measure)}")
    profiles = list(profile_tables.profiles(results, where))
    sections += [f"<h2>Where the time goes</h2><p>{html.escape(profile_tables.NOTE.replace('`', ''))}</p>"] if profiles else []
    for number, (name, parts, sentence) in enumerate(profiles):
        sections.append(f"<h3>{html.escape(name)}</h3>{table(parts, f'table-profile-{number}', False)}<p>{html.escape(sentence)}</p>")
    points = "".join(f"<li>{html.escape(s)}</li>" for s in summary(results))
    page = ("<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
            f"<title>{html.escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>"
            f"<h1>{html.escape(title)}</h1>{notes}<ul class=summary>{points}</ul>{''.join(sections)}"
            "<h2 id=source-heading>Where each number comes from</h2><p>Every row names its results, as links; each is a file of the "
            "store, results/DIGEST.json. Follow a link to see it here.</p><pre id=source tabindex=0 hidden></pre></main>"
            f"<script type=application/json id=results>{embedded(results)}</script><script>{SCRIPT.read_text(encoding='utf-8')}</script></body></html>")
    target.write_text(page, encoding="utf-8")
