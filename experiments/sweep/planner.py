"""Time against round trip and rate for three choices of protocols: fewest bytes, fewest rounds, the planner's.

    experiments/sweep/planner.py --out DIR                  forecasts, and points that were measured before: DIR/planner.svg, .md
    experiments/sweep/planner.py --out DIR --measure        measures those first that DIR/points.json lacks, over simulated networks

Run by /usr/bin/python3 with Debian's python3-matplotlib. All three parties are threads on this machine, which is to be idle.
"""
import argparse
import json
import os
import subprocess

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

MODEL = ["--arch", "bert-base", "--layers", "2", "--seq", "128"]
MACHINE = "two cores of Ice Lake"
WORK = 4  # nanoseconds that a byte more costs there for three parties: what fewest rounds take more than fewest bytes, by bench
FEWEST = {"fewest bytes": "0ms,1000000mbit,10000ns", "fewest rounds": "10000ms,1000000mbit,0.001ns"}
COLOURS = {"fewest bytes": "#0072b2", "fewest rounds": "#d55e00", "planner": "black"}
RATE, DELAY = 400, 20  # what stays while the other changes, Mbit/s and ms
DELAYS, RATES = [0.1 * 10 ** (i / 4) for i in range(14)], [10 * 10 ** (i / 4) for i in range(13)]
POINTS = [(1, RATE), (10, RATE), (40, RATE), (100, RATE), (DELAY, 50), (DELAY, 5000)]


def planned_for(choice, delay, rate):
    return FEWEST.get(choice) or f"{delay:g}ms,{rate:g}mbit,{WORK}ns"


def cost(trefoil, network):
    """Bytes, rounds, bytes of the longest messages of all rounds, and seconds of computing, of what is chosen for it."""
    out = subprocess.run([trefoil, "cost", *MODEL, "--network", network, "--json"], capture_output=True, check=True, text=True)
    o = json.loads(out.stdout)
    n = o["network"]
    longest = (n["seconds"] - o["rounds"] * n["round_trip"] / 2) * n["bytes_per_second"]
    return {"bytes": o["bytes"]["total"], "rounds": o["rounds"], "longest": longest, "computing": n["computing"]["together"]}


def seconds(c, delay, rate, computing):
    """`computing`: of the choice with the fewest bytes; bytes more cost what was measured."""
    return c["rounds"] * delay / 2000 + c["longest"] / (rate * 125000) + computing


def measure(trefoil, runs, known, save):
    """Those that are not among `known`, which grows."""
    for delay, rate in POINTS:
        for choice in COLOURS:
            if any((p["delay"], p["rate"], p["choice"]) == (delay, rate, choice) for p in known):
                continue
            out = subprocess.run([trefoil, "bench", "--local", "--threads", "1", "--runs", str(runs), *MODEL, "--json", "--shape",
                                  f"{delay}ms,{rate}mbit", "--network", planned_for(choice, delay, rate), "--timeout", "300"],
                                 stdout=subprocess.PIPE, check=True, text=True)
            o = json.loads(out.stdout)
            known.append({"delay": delay, "rate": rate, "choice": choice, "seconds": o["seconds"]["online"],
                          "fastest": o["seconds"]["fastest"], "slowest": o["seconds"]["slowest"],
                          "bytes": o["bytes"]["total"], "rounds": o["rounds"]})
            print(known[-1], flush=True)
            save()


def curve(trefoil, known, choice, base, delay, rate):
    network = planned_for(choice, delay, rate)
    c = known.get(network) or known.setdefault(network, cost(trefoil, network))
    return seconds(c, delay, rate, base["computing"] + WORK * 1e-9 * (c["bytes"] - base["bytes"])), c


def draw(trefoil, measured, path):
    known, points = {}, measured["points"]
    base = cost(trefoil, FEWEST["fewest bytes"]) | {"computing": measured["computing"]}
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    panels = [(axes[0], "round trip, ms", DELAYS, lambda x: (x, RATE), f"{RATE} Mbit/s", 0),
              (axes[1], "rate, Mbit/s", RATES, lambda x: (DELAY, x), f"{DELAY} ms", 1)]
    rows = []
    for axis, label, xs, network, title, which in panels:
        for choice, colour in COLOURS.items():
            found = [curve(trefoil, known, choice, base, *network(x)) for x in xs]
            style = {"linewidth": 1.6, "color": colour, "label": choice, "linestyle": "-" if choice == "planner" else "--"}
            axis.plot(xs, [t for t, _ in found], **style)
            here = [p for p in points if p["choice"] == choice and (p["rate"] == RATE if which == 0 else p["delay"] == DELAY)]
            axis.plot([p["rate"] if which else p["delay"] for p in here], [p["seconds"] for p in here], "o", color=colour,
                      markersize=5, markerfacecolor="none" if choice != "planner" else colour)
            rows += [(p, curve(trefoil, known, choice, base, p["delay"], p["rate"])[0]) for p in here]
        axis.set(xscale="log", yscale="log", xlabel=label, ylabel="seconds", title=title)
        axis.grid(True, which="both", linewidth=0.3)
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    return rows


def table(rows, commit, runs):
    lines = ["# Time against the network, for three choices of protocols", "",
             "Written by `experiments/sweep/planner.py`. BERT-base with two layers, 128 tokens, `exact`, random weights; three "
             f"threads of one process on {MACHINE}, over networks that are simulated (`--shape`); {runs} run{'s' if runs > 1 else ''} of each. "
             f"The planner is told the network and {WORK} ns of work a byte (`--network DELAYms,RATEmbit,{WORK}ns`). Forecast: "
             "messages, computing as `trefoil cost` forecasts it for the fewest bytes, and as much work a byte more.", "",
             f"Commit {commit}.", "", "![time against round trip and rate](planner.svg)", "",
             "| round trip, ms | Mbit/s | choice | MB | rounds | forecast, s | measured, s | fastest to slowest |", "|---|---|---|---|---|---|---|---|"]
    for p, forecast in sorted(rows, key=lambda r: (r[0]["delay"], r[0]["rate"], list(COLOURS).index(r[0]["choice"]))):
        lines.append(f"| {p['delay']} | {p['rate']} | {p['choice']} | {p['bytes'] / 1e6:.1f} | {p['rounds']} | {forecast:.2f} | "
                     f"{p['seconds']:.2f} | {p['fastest']:.2f} to {p['slowest']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--trefoil", default="build/trefoil")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--runs", type=int, default=1, help="of each point")
    o = parser.parse_args()
    os.makedirs(o.out, exist_ok=True)
    file = os.path.join(o.out, "points.json")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    known = {"commit": commit, "runs": o.runs, "points": []}
    if os.path.exists(file):
        known = json.load(open(file, encoding="utf-8"))

    def save():
        with open(file, "w", encoding="utf-8") as out:
            json.dump(known, out, indent=1)
            out.write("\n")

    if "computing" not in known:
        known["computing"] = cost(o.trefoil, FEWEST["fewest bytes"])["computing"]
    if o.measure:
        measure(o.trefoil, o.runs, known["points"], save)
    rows = draw(o.trefoil, known, os.path.join(o.out, "planner.svg"))
    with open(os.path.join(o.out, "planner.md"), "w", encoding="utf-8") as out:
        out.write(table(rows, known["commit"], known["runs"]))


main()
