"""Draws plots as SVG, for the report and, by --report FILE.html with FILE-plots/ beside it, for papers (SVG and PDF).

Colours are Okabe and Ito's (distinguishable by the colour-blind); each series has a marker and a line of its own too, so
that a print without colours can be read. Legends stand below the axes, never over what is drawn.
"""
import io
import statistics

import tables

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000"]
MARKERS = "osD^vP*X"
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3))]
HATCHES = ["", "//", "\\\\", "xx", "--", "++", "||", "////"]  # without circles, which are long in SVG
MOST_SERIES = 8
NETWORKS = ("none", "lan", "wan")  # from the fastest on
BYTES = ("bytes", "memory")
SECONDS = ("seconds", "setup", "total", "prefill", "per_token")


def load():
    """matplotlib's pyplot without a display, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "trefoil", "font.size": 9, "axes.spines.top": False,
                         "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6,
                         "axes.axisbelow": True, "figure.constrained_layout.use": True, "font.family": "DejaVu Sans",
                         "axes.edgecolor": "#555555", "xtick.color": "#333333", "ytick.color": "#333333"})
    return plt


def series_of(rows, x, y, by):
    """{name: [(x, median y, lowest, highest)]} over the rows that have both."""
    found = {}
    for row, _ in rows:
        if row.get(x) in (None, "", 0) or row.get(y) is None:
            continue
        name = tables.name_of(row, by)
        spread = (row.get("fastest", row[y]), row.get("slowest", row[y])) if y == "seconds" else (row[y], row[y])
        found.setdefault(name, {}).setdefault(row[x], []).append((row[y], *spread))
    out = {}
    for name, at in found.items():
        out[name] = [(v, statistics.median(t[0] for t in ts), min(t[1] for t in ts), max(t[2] for t in ts)) for v, ts in at.items()]
        if all(isinstance(p[0], (int, float)) for p in out[name]):
            out[name].sort()
        else:
            out[name].sort(key=lambda p: (NETWORKS.index(p[0]) if p[0] in NETWORKS else len(NETWORKS), p[0]))
    return dict(sorted(out.items()))


def scale(axis, name, logarithmic):
    """Ticks that people read: 10 MB, 0.5 s."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
    if logarithmic:
        axis.axes.set_yscale("log") if axis.axis_name == "y" else axis.axes.set_xscale("log")
        low, high = axis.get_view_interval()
        spans = high / max(low, 1e-30)
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]) if spans < 8 else LogLocator(10, (1, 2, 5) if spans < 60 else (1,)))
        axis.set_minor_formatter(NullFormatter())
        if spans < 60:
            axis.set_minor_locator(NullLocator())
    if name in BYTES:
        axis.set_major_formatter(EngFormatter(unit="B", places=None, sep=" "))
    else:
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


def legend_below(axes, columns=2):
    axes.legend(fontsize=8, frameon=False, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.2), handlelength=2.6)


def lines(plt, series, x, y, labels):
    """A line a series with the spread of repeats as bars; None where there is nothing to compare."""
    series = {name: points for name, points in series.items() if len(points) > 1}
    if not series:
        return None
    figure, axes = plt.subplots(figsize=(5.2, 3.4 + 0.17 * ((len(series) + 1) // 2)))
    for i, (name, points) in enumerate(series.items()):
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        errors = [[max(0, m - low) for _, m, low, _ in points], [max(0, high - m) for _, m, _, high in points]]
        axes.errorbar(xs, ys, errors if any(map(any, errors)) else None, label=name, marker=MARKERS[i % 8],
                      color=COLOURS[i % 8], linestyle=DASHES[i % 8], capsize=2.5, markersize=5, linewidth=1.4)
    values = [p[1] for points in series.values() for p in points]
    scale(axes.yaxis, y, min(values) > 0 and y != "value")
    if all(isinstance(p[0], (int, float)) for points in series.values() for p in points):
        ticks = sorted({p[0] for points in series.values() for p in points})
        if ticks[0] > 0 and ticks[-1] / ticks[0] >= 4:
            axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
    else:
        axes.margins(x=0.12)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    legend_below(axes)
    return figure


def scatter(plt, points, x, labels):
    """points: (name, x, y). One mark each, named in the legend."""
    if len(points) < 2:
        return None
    figure, axes = plt.subplots(figsize=(5.2, 3.4 + 0.17 * ((len(points) + 1) // 2)))
    for i, (name, across, up) in enumerate(sorted(points)):
        axes.plot([across], [up], MARKERS[i % 8], color=COLOURS[i % 8], markersize=8, label=name,
                  fillstyle="full" if i < 8 else "none")
    axes.margins(0.12)
    scale(axes.xaxis, x, True)
    values = [p[2] for p in points]
    if min(values) > 1 and max(values) / min(values) > 20:  # perplexities
        scale(axes.yaxis, "value", True)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    legend_below(axes)
    return figure


def stacks(plt, bars, label, text=tables.size_text):
    """bars: {name: {part: amount}}: one horizontal bar each, cut into its largest parts. `text` says what all of it is."""
    bars = {name: parts for name, parts in bars.items() if sum(parts.values())}
    if not bars:
        return None
    totals = {}
    for parts in bars.values():
        for part, amount in parts.items():
            totals[part] = totals.get(part, 0) + amount
    kinds = sorted((k for k in totals if totals[k]), key=totals.get, reverse=True)
    shown, rest = kinds[:MOST_SERIES - 1], kinds[MOST_SERIES - 1:]
    figure, axes = plt.subplots(figsize=(5.2, 1.3 + 0.42 * len(bars)))
    for row, (name, parts) in enumerate(bars.items()):
        left, whole = 0, sum(parts.values()) / 100
        for i, kind in enumerate(shown + (["other"] if rest else [])):
            amount = (sum(parts.get(k, 0) for k in rest) if kind == "other" else parts.get(kind, 0)) / whole
            axes.barh(row, amount, left=left, color=COLOURS[i % 8], hatch=HATCHES[i % 8], edgecolor="white", linewidth=0.5,
                      label=kind if row == 0 else None, height=0.46)
            left += amount
        axes.text(0, row - 0.29, f"{name}: {text(sum(parts.values()))}", fontsize=8, va="bottom")
    axes.set_yticks([])
    axes.set_ylim(-0.8, len(bars) - 0.6)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), handlelength=1.6, columnspacing=1.2)
    return figure


def svg_of(plt, figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = out.getvalue()
    return text[text.index("<svg"):]
