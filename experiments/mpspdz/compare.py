"""trefoil and MP-SPDZ by turns on this machine: the same computations, three parties each, encrypted.

    experiments/mpspdz/compare.py --mpspdz DIR [--runs N] [--only NAME,...] --out FILE.md

DIR has MP-SPDZ built (replicated-ring-party.x, Scripts/setup-ssl.sh 3), with trefoil_compare.mpc among its Programs/Source
and compiled for each case: ./compile.py -R 64 -b 10000000 trefoil_compare NAME. A case that is not compiled is left out.
"""
import argparse
import json
import os
import re
import statistics
import subprocess

# What MP-SPDZ's program is called, what trefoil bench is given, and what is compared.
CASES = {
    "products": ("--step multiply --n 1000000", "10^6 products, truncated"),
    "compare": ("--step bit_to_share --n 393216", "393,216 comparisons to shares"),
    "relu": ("--step relu --n 393216", "393,216 ReLU"),
    "gelu": ("--op gelu=puma --shape 128x3072", "393,216 GELU with PUMA's forms"),
    "layernorm": ("--op layernorm=exact --shape 128x768", "LayerNorm of 128 x 768"),
    "tiny_paper": ("--arch bert-tiny --approx paper --seq 128", "BERT-tiny, 128 tokens, paper"),
    "tiny_exact": ("--arch bert-tiny --approx exact --seq 128", "BERT-tiny, 128 tokens, exact"),
    "layer_paper": ("--arch bert-base --layers 1 --approx paper --seq 128", "a layer of BERT-base, 128 tokens, paper"),
    "layer_exact": ("--arch bert-base --layers 1 --approx exact --seq 128", "a layer of BERT-base, 128 tokens, exact"),
}


def theirs(directory, name):
    out = subprocess.run(["Scripts/ring.sh", f"trefoil_compare-{name}", "-b", "100000"], cwd=directory, capture_output=True, text=True)
    text = out.stdout + out.stderr
    return (float(re.search(r"^Time1 = ([\d.e+-]+) seconds", text, re.M)[1]),
            1e6 * float(re.search(r"Global data sent = ([\d.e+-]+) MB", text)[1]))


def ours(trefoil, arguments):
    out = subprocess.run([trefoil, "run", "--", "bench", *arguments.split(), "--threads", "1", "--runs", "3", "--json"],
                         capture_output=True, text=True)
    o = json.loads(out.stdout)
    return o["seconds"]["online"], o["bytes"]["total"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpspdz", required=True)
    parser.add_argument("--trefoil", default="build/trefoil")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--out", required=True)
    o = parser.parse_args()
    for name in o.only.split(","):
        arguments, what = CASES[name]
        if not os.path.exists(os.path.join(o.mpspdz, "Programs", "Schedules", f"trefoil_compare-{name}.sch")):
            continue
        pairs = [(ours(o.trefoil, arguments), theirs(o.mpspdz, name)) for _ in range(o.runs)]
        a, b = (statistics.median(p[i][0] for p in pairs) for i in (0, 1))
        ratio = statistics.median(p[1][0] / p[0][0] for p in pairs)
        line = f"| {what} | {a:.4g} | {b:.4g} | {ratio:.1f} | {pairs[0][0][1] / 1e6:.4g} | {pairs[0][1][1] / 1e6:.4g} |"
        print(line, flush=True)
        with open(o.out, "a", encoding="utf-8") as file:
            file.write(line + "\n")


main()
