"""Time against round trip and rate for three choices of protocols: fewest bytes, fewest rounds, the planner's.

    experiments/sweep/planner.py --out DIR              forecasts, and points of DIR/points.json: DIR/planner.svg, planner.md
    experiments/sweep/planner.py --out DIR --measure    measures what DIR/points.json lacks first, over simulated networks

Points that moved other bytes, or in other rounds, than is forecast are of another version, and are left out.

Run by /usr/bin/python3 with Debian's python3-matplotlib. All three parties are threads on this machine, which is to be idle.
"""
import argparse
import json
import os
import subprocess

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

MODEL = ["--arch", "bert-base", "--layers", "2", "--seq", "128"]
MACHINE = "two cores of Ice Lake"
WORK = 2  # nanoseconds that a byte more costs there for three parties, and what --network takes it to cost, told no other
FEWEST = {"fewest bytes": "0ms,1000000mbit,10000ns", "fewest rounds": "10000ms,1000000mbit,0.001ns"}
COLOURS = {"fewest bytes": "#0072b2", "fewest rounds": "#d55e00", "planner": "black"}
RATE, DELAY = 400, 20  # what stays while the other changes, Mbit/s and ms
DELAYS, RATES = [0.1 * 10 ** (i / 4) for i in range(14)], [10 * 10 ** (i / 4) for i in range(13)]
POINTS = [(1, RATE), (10, RATE), (40, RATE), (100, RATE), (DELAY, 50), (DELAY, 5000)]


def planned_for(choice, delay, rate):
    return FEWEST.get(choice) or network_of(delay, rate)


def network_of(delay, rate):
    return f"{delay:g}ms,{rate:g}mbit"


def cost(trefoil, planned, network):
    """Of what is chosen for one network: bytes, rounds, and seconds of messages over another and of computing."""
    out = subprocess.run([trefoil, "cost", *MODEL, "--network", planned, "--shape", network, "--json"], capture_output=True,
                         check=True, text=True)
    o = json.loads(out.stdout)
    return {"bytes": o["bytes"]["total"], "rounds": o["rounds"], "messages": o["network"]["seconds"],
            "computing": o["network"]["computing"]["together"]}


def measure(trefoil, runs, known, save):
    """Those that are not among `known`, which grows."""
    for delay, rate in POINTS:
        for choice in COLOURS:
            if any((p["delay"], p["rate"], p["choice"]) == (delay, rate, choice) for p in known):
                continue
            out = subprocess.run([trefoil, "bench", "--local", "--threads", "1", "--runs", str(runs), *MODEL, "--json", "--shape",
                                  network_of(delay, rate), "--network", planned_for(choice, delay, rate), "--timeout", "300"],
                                 stdout=subprocess.PIPE, check=True, text=True)
            o = json.loads(out.stdout)
            known.append({"delay": delay, "rate": rate, "choice": choice, "seconds": o["seconds"]["online"],
                          "fastest": o["seconds"]["fastest"], "slowest": o["seconds"]["slowest"],
                          "bytes": o["bytes"]["total"], "rounds": o["rounds"]})
            print(known[-1], flush=True)
            save()


def of_this_program(trefoil, points):
    """Whether they moved what is forecast now."""
    now = [cost(trefoil, planned_for(p["choice"], p["delay"], p["rate"]), network_of(p["delay"], p["rate"])) for p in points]
    return all((c["bytes"], c["rounds"]) == (p["bytes"], p["rounds"]) for c, p in zip(now, points))


def forecast(trefoil, choice, base, delay, rate):
    c = cost(trefoil, planned_for(choice, delay, rate), network_of(delay, rate))
    return c["messages"] + base["computing"] + WORK * 1e-9 * (c["bytes"] - base["bytes"])


def draw(trefoil, measured, path):
    """Rows of the table, and what the planner's forecast is of the lower one of the others', at its best and worst."""
    points, rows, ratios = measured["points"], [], []
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    panels = [(axes[0], "round trip, ms", DELAYS, lambda x: (x, RATE), f"{RATE} Mbit/s", 0),
              (axes[1], "rate, Mbit/s", RATES, lambda x: (DELAY, x), f"{DELAY} ms", 1)]
    for axis, label, xs, network, title, which in panels:
        found = {choice: [forecast(trefoil, choice, measured["base"], *network(x)) for x in xs] for choice in COLOURS}
        ratios += [p / min(b, r) for b, r, p in zip(found["fewest bytes"], found["fewest rounds"], found["planner"])]
        for choice, colour in COLOURS.items():
            style = {"linewidth": 1.6, "color": colour, "label": choice, "linestyle": "-" if choice == "planner" else "--"}
            axis.plot(xs, found[choice], **style)
            here = [p for p in points if p["choice"] == choice and (p["rate"] == RATE if which == 0 else p["delay"] == DELAY)]
            axis.plot([p["rate"] if which else p["delay"] for p in here], [p["seconds"] for p in here], "o", color=colour,
                      markersize=5, markerfacecolor="none" if choice != "planner" else colour)
            rows += [(p, forecast(trefoil, choice, measured["base"], p["delay"], p["rate"])) for p in here]
        axis.set(xscale="log", yscale="log", xlabel=label, ylabel="seconds", title=title)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            scale.set_minor_formatter(NullFormatter())
        axis.grid(True, which="both", linewidth=0.3)
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    return rows, ratios


def table(rows, ratios, commit, runs):
    took = [p["seconds"] / forecast for p, forecast in rows]
    lines = ["# Time against the network, for three choices of protocols", "",
             "Written by `experiments/sweep/planner.py`. BERT-base with two layers, 128 tokens, `exact`, random weights; three "
             f"threads of one process on {MACHINE}, over networks that are simulated (`--shape`); runs of each: {runs}. "
             "The planner is told the network (`--network DELAYms,RATEmbit`). Forecast: messages over the network (`trefoil cost "
             f"--shape`), computing as it is forecast for the fewest bytes, and {WORK} ns for each byte more.", "",
             f"Over the {len(ratios)} networks of the picture the planner's forecast is {min(ratios):.2f} to {max(ratios):.3f} of the "
             "lower one of the other two." + (f" Runs took {min(took):.2f} to {max(took):.2f} of their forecasts." if took else ""), "",
             f"Commit {commit}.", "", "![time against round trip and rate](planner.svg)", "",
             "| round trip, ms | Mbit/s | choice | MB | rounds | forecast, s | measured, s | fastest to slowest |",
             "|---|---|---|---|---|---|---|---|"]
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
        before = json.load(open(file, encoding="utf-8"))
        if of_this_program(o.trefoil, before["points"]):
            known = before

    def save():
        with open(file, "w", encoding="utf-8") as out:
            json.dump(known, out, indent=1)
            out.write("\n")

    if "base" not in known:
        found = [cost(o.trefoil, FEWEST["fewest bytes"], network_of(DELAY, RATE)) for _ in range(3)]
        known["base"] = min(found, key=lambda c: c["computing"])
    if o.measure:
        measure(o.trefoil, o.runs, known["points"], save)
    save()
    rows, ratios = draw(o.trefoil, known, os.path.join(o.out, "planner.svg"))
    with open(os.path.join(o.out, "planner.md"), "w", encoding="utf-8") as out:
        out.write(table(rows, ratios, known["commit"], known["runs"]))


main()
