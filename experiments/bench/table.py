"""What run.sh measured, as JSON and Markdown, with a description of the machine."""
import argparse
import json
import os
import platform
import re
import subprocess

ACTIVITIES = ["local", "prf", "encryption", "packing", "waiting"]
# Ring products that a party makes of each multiplication: one with a weight, five thirds between two activations.
PRODUCTS_OF_A_PARTY = {"attention": 5 / 3}


def output(*command):
    """Its standard output, or "" where there is no such thing."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def first(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
            return found.group(1).strip() if found else ""
    except OSError:
        return ""


def environment(options):
    cache = os.path.join(os.path.dirname(os.path.abspath(options.trefoil)), "CMakeCache.txt")
    compiler = first(cache, r"^CMAKE_C_COMPILER:\w+=(.*)$") or "cc"
    build = first(cache, r"^CMAKE_BUILD_TYPE:\w+=(.*)$") or "Release"
    return {
        "commit": options.commit,
        "command": options.command,
        "started": options.started,
        "processor": first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": 1024 * int(first("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0),
        "load_at_start": float(options.load),
        "niceness": os.nice(0),
        "system": platform.system() + " " + platform.release(),
        "compiler": (output(compiler, "--version").splitlines() or [compiler])[0] + ", " + build,
        "parties": options.processes,
        "network": options.network,
        "encryption": options.encryption,
    }


def read_cases(path):
    cases = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, load, memory, outcome = line.rstrip("\n").split("\t")
            case = {"name": name, "load": float(load)}
            if int(memory):
                case["memory_bytes"] = int(memory)
            try:
                case["result"] = json.loads(outcome)
            except ValueError:
                case["error"] = outcome
            cases.append(case)
    return cases


def seconds(value):
    """Three digits, but nothing below a microsecond."""
    return f"{value:.3g}" if 1e-3 <= value < 100 else f"{value:.0f}" if value >= 100 else f"{value:.6f}"


def spread(s):
    return f"{seconds(s['fastest'])} to {seconds(s['slowest'])}"


def size(value):
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= 1000
    return ""


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return lines + [""]


def of_kind(cases, *kinds):
    return [case for case in cases if case["name"].split("/")[0] in kinds]


def short_rows(cases):
    for case in cases:
        label = case["name"].split("/", 1)[1]
        if "error" in case:
            yield [label, case["error"], "", "", "", ""]
            continue
        r = case["result"]
        s, total = r["seconds"], r["bytes"]["total"]
        yield [label, seconds(s["online"]), spread(s), r["runs"], size(total) + f" ({total / r['elements']:.2f} B)", r["rounds"]]


def model_rows(cases):
    for case in cases:
        kind, arch, approx, length, *rest = case["name"].split("/")
        layers = rest[0] if kind == "layers" else "all"
        batch, threads = rest if kind == "model" else (1, 1)
        what = [arch, layers, approx, length, batch, threads]
        if "error" in case:
            yield what + [case["error"]] + [""] * 7
            continue
        r = case["result"]
        s = r["seconds"]
        yield what + [seconds(s["online"]), spread(s), r["runs"], seconds(1000 * s["online"] / (int(length) * int(batch))),
                      seconds(s["setup"]), size(r["bytes"]["total"]), r["rounds"],
                      size(case.get("memory_bytes", 0))]


def five_products(profile, cores):
    """Seconds that five ring products a multiplication, the usual number, would take at peak on so many cores."""
    return sum(5 / PRODUCTS_OF_A_PARTY.get(op["kind"], 1) * op["product"]["peak_seconds"]
               for op in profile["ops"] if "product" in op) / cores


def profile_tables(case, cores):
    lines = ["### " + case["name"].split("/", 1)[1], ""]
    if "error" in case:
        return lines + [case["error"], ""]
    profile = case["result"]["profile"]
    rows = []
    named = [(f"{op['kind']}={op['variant']}" if op["variant"] else op["kind"], op) for op in profile["ops"]]
    for label, row in named + [("inputs, outputs", profile["rest"]), ("all", profile["total"])]:
        product = row.get("product")
        rows.append([label, row["ops"], f"{row['seconds']['total']:.4f}"]
                    + [f"{row['seconds'][a]:.4f}" for a in ACTIVITIES] + [size(row["bytes"]), row["rounds"]]
                    + ([f"{product['seconds']:.4f}", f"{100 * product['efficiency']:.0f} %"] if product else ["", ""]))
    lines += table(["op", "ops", "seconds"] + ACTIVITIES + ["bytes", "rounds", "products", "of peak"], rows)
    limit, online = five_products(profile, cores), case["result"]["seconds"]["online"]
    peak = ", ".join(f"{rate / 1e9:.1f} ({bits} bits)" for bits, rate in profile["peak"].items())
    return lines + [f"Kernels {profile['kernels']}; peak of one core, {peak} billion multiply-adds a second; "
                    f"load before {case['load']}. Five ring products a multiplication would take {seconds(limit)} s at that "
                    f"peak on {cores} cores; the run took {seconds(online)} s, {online / limit:.2f} times as long.", ""]


def markdown(environment, cases):
    lines = ["# Performance", "", "Written by `experiments/bench/run.sh`. Seconds are medians, with the fastest and the slowest "
             "run beside; bytes are over all links and include everything.", ""]
    lines += table(["", ""], [[key.replace("_", " "), value if key != "memory_bytes" else size(value)]
                              for key, value in environment.items()])
    loads = [case["load"] for case in cases]
    lines += [f"The load before a case was {min(loads)} to {max(loads)} on {environment['cores']} cores. What ran beside "
              "the measurements is in their seconds, though not in bytes and rounds.", ""]
    for case in of_kind(cases, "link"):
        lines += ["## Link", ""]
        if "error" in case:
            lines += [case["error"], ""]
            continue
        rate = case["result"]["bytes_per_second"]
        lines += [f"{rate['one_way'] / 1e9:.2f} GB/s one way, {rate['all_ways'] / 1e9:.2f} GB/s sent by each when all send to "
                  f"all, {1e6 * case['result']['round_seconds']:.1f} us a round; AES-128-GCM on one core "
                  f"{rate['cipher'] / 1e9:.2f} GB/s.", ""]
    for title, kind, what in (("Protocol steps", "step", "step=elements"), ("Matrix products", "matmul", "m x k x n")):
        chosen = of_kind(cases, kind)
        if chosen:
            lines += [f"## {title}", ""]
            lines += table([what, "s", "fastest to slowest", "runs", "bytes (of an element of the output)", "rounds"],
                           short_rows(chosen))
    chosen = of_kind(cases, "model", "layers")
    if chosen:
        lines += ["## Models", "", "Random weights. Set-up is sharing and packing the weights, once for a session; memory is the "
                  "forecast of the largest party.", ""]
        lines += table(["model", "layers", "approx", "tokens", "batch", "threads", "s", "fastest to slowest", "runs",
                        "ms a token", "set-up s", "bytes", "rounds", "memory"], model_rows(chosen))
    chosen = of_kind(cases, "profile")
    if chosen:
        lines += ["## Where the time goes", "", "Seconds of party 0's first thread by the clock; `products` are its "
                  "processor seconds in ring products, part of `local`.", ""]
        for case in chosen:
            lines += profile_tables(case, environment["cores"])
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list")
    for name in ("out", "trefoil", "commit", "load", "started", "encryption", "network", "command", "processes"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    about, cases = environment(options), read_cases(options.list)
    with open(options.out + ".json", "w", encoding="utf-8") as file:
        json.dump({"environment": about, "cases": cases}, file, indent=1)
        file.write("\n")
    with open(options.out + ".md", "w", encoding="utf-8") as file:
        file.write(markdown(about, cases))


main()
