"""Plots of a store as SVG, for the report and, by --report FILE.html with FILE-plots/ beside it, for papers (SVG and PDF).

Colours are Okabe and Ito's (distinguishable by the colour-blind); each series has a marker of its own too, so that a print
without colours can be read.
"""
import io
import statistics

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
MARKERS = "osD^vP*X"
HATCHES = ["", "//", "..", "xx", "\\\\", "++", "--", "oo"]


def load():
    """matplotlib's pyplot without a display, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "trefoil", "font.size": 9, "axes.spines.top": False,
                         "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "figure.constrained_layout.use": True,
                         "font.family": "DejaVu Sans"})
    return plt


def series_of(rows, x, y, by):
    """{name: [(x, median y, lowest, highest)]} over the rows that have both."""
    found = {}
    for row, _ in rows:
        if row.get(x) in (None, "") or row.get(y) is None:
            continue
        name = ", ".join(str(row.get(b)) for b in by if row.get(b) not in (None, ""))
        found.setdefault(name, {}).setdefault(row[x], []).append((row[y], row.get("fastest", row[y]), row.get("slowest", row[y])))
    out = {}
    for name, at in found.items():
        out[name] = [(v, statistics.median(t[0] for t in ts), min(t[1] for t in ts), max(t[2] for t in ts)) for v, ts in at.items()]
        if all(isinstance(p[0], (int, float)) for p in out[name]):
            out[name].sort()
    return out


def lines(plt, rows, x, y, by, labels, logarithmic=True):
    """A line a series with the spread of repeats as bars; None where there is nothing to compare."""
    series = series_of(rows, x, y, by)
    if not any(len(points) > 1 for points in series.values()):
        return None
    figure, axes = plt.subplots(figsize=(5.2, 3.2))
    for i, (name, points) in enumerate(sorted(series.items())):
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        errors = [[m - low for _, m, low, _ in points], [high - m for _, m, _, high in points]]
        axes.errorbar(xs, ys, errors if any(map(any, errors)) else None, label=name, marker=MARKERS[i % 8],
                      color=COLOURS[i % 8], capsize=2, markersize=5)
    numeric = all(isinstance(p[0], (int, float)) for points in series.values() for p in points)
    if logarithmic:
        axes.set_yscale("log")
        if numeric:
            axes.set_xscale("log", base=2)
            ticks = sorted({p[0] for points in series.values() for p in points})
            axes.set_xticks(ticks, [str(t) for t in ticks])
            axes.minorticks_off()
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(fontsize=8, frameon=False)
    return figure


def scatter(plt, points, labels):
    """points: (name, x, y). One mark each, named in the legend."""
    if len(points) < 2:
        return None
    figure, axes = plt.subplots(figsize=(5.2, 3.2))
    for i, (name, x, y) in enumerate(sorted(points)):
        axes.plot([x], [y], MARKERS[i % 8], color=COLOURS[i % 8], markersize=7, label=name)
    axes.set_xscale("log")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(fontsize=8, frameon=False)
    return figure


def stacks(plt, bars, label):
    """bars: {name: {part: amount}}: one horizontal bar each, cut into its largest parts."""
    bars = {name: parts for name, parts in bars.items() if sum(parts.values())}
    if not bars:
        return None
    totals = {}
    for parts in bars.values():
        for part, amount in parts.items():
            totals[part] = totals.get(part, 0) + amount
    kinds = sorted(totals, key=totals.get, reverse=True)
    shown, rest = kinds[:7], kinds[7:]
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.42 * len(bars)))
    for row, (name, parts) in enumerate(bars.items()):
        left = 0
        for i, kind in enumerate(shown + (["other"] if rest else [])):
            amount = sum(parts.get(k, 0) for k in rest) if kind == "other" else parts.get(kind, 0)
            axes.barh(row, amount, left=left, color=COLOURS[i % 8], hatch=HATCHES[i % 8], edgecolor="white", linewidth=0.5,
                      label=kind if row == 0 else None)
            left += amount
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def svg_of(plt, figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = out.getvalue()
    return text[text.index("<svg"):]
