"""Checks that the code keeps to the order of its rooms: layering.py SOURCE BUILD.

Each room may use those above it in ROOMS and none below, judged by two readings: the #include lines of its files, and the
symbols that its compiled objects leave to others to define. No two files may call each other, however
long the circle, and headers may not include each other.
"""
import collections
import os
import re
import subprocess
import sys

# From the ground floor up. A file belongs to the deepest of these folders that holds it.
ROOMS = [
    "net/base",
    "net",
    "runtime/kernels",
    "runtime/graph",
    "runtime/party",
    "runtime/program",
    "runtime/steps",
    "runtime/lower",
    "runtime/execute",
    "runtime/session",
    "ops",
    "models/files",
    "models/tokenize",
    "models/metrics",
    "models/chat",
    "models",
    "models/shares",
    "models/library",
    "experiments/app/log",
    "experiments/app/data",
    "experiments/app/parties",
    "experiments/app/report",
    "experiments/app/service",
    "experiments/app/gateway",
    "experiments/app/measure",
    "experiments/app/commands",
]
# Rooms side by side: neither may use the other, though one stands after the other in the list.
APART = [("ops", room) for room in ("models/files", "models/tokenize", "models/chat", "models", "models/shares")]

def room_of(path):
    fits = [room for room in ROOMS if path.startswith(room + "/")]
    return max(fits, key=len) if fits else None


def sources(root):
    for top in ("net", "runtime", "ops", "models", "experiments/app"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def included(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        for line in file:
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match:
                yield match.group(1)


def symbols(objects):
    """The symbols that each object defines and needs: (path of the source, defined, needed)."""
    for path, source in objects:
        text = subprocess.run(["nm", "-P", path], capture_output=True, text=True, check=True).stdout
        defined, needed = set(), set()
        for line in text.splitlines():
            name, kind = line.split()[:2]
            if kind == "U":
                needed.add(name)
            elif kind.isupper():
                defined.add(name)
        yield source, defined, needed


def objects_of(root, build):
    for target in ("trefoil_objects", "trefoil"):
        base = os.path.join(build, "CMakeFiles", target + ".dir")
        for folder, _, names in os.walk(base):
            for name in names:
                if name.endswith(".c.o"):
                    source = os.path.relpath(os.path.join(folder, name[:-2]), base)
                    if os.path.exists(os.path.join(root, source)):
                        yield os.path.join(folder, name), source


def uses(root, build):
    """All pairs (file, file that it uses, how)."""
    for path in sources(root):
        for other in included(root, path):
            if os.path.exists(os.path.join(root, other)):
                yield path, other, "includes"
    tables = list(symbols(objects_of(root, build)))
    if not tables:
        sys.exit("no compiled objects in " + build)
    home = {name: source for source, defined, _ in tables for name in defined}
    for source, _, needed in tables:
        for name in sorted(needed):
            if name in home and home[name] != source:
                yield source, home[name], "calls %s of" % name


def faults_of_order(pairs):
    for path, other, how in pairs:
        here, there = room_of(path), room_of(other)
        if here is None or there is None or here == there:
            continue
        up = ROOMS.index(there) > ROOMS.index(here)
        apart = (here, there) in APART or (there, here) in APART
        if up or apart:
            yield "%s %s %s: %s may not use %s" % (path, how, other, here, there)


def circles(pairs):
    """Groups of files that reach each other by calls, or headers by includes: Tarjan's algorithm."""
    graph = collections.defaultdict(set)
    for path, other, how in pairs:
        if how.startswith("calls") or path.endswith(".h") and other.endswith(".h"):
            graph[path].add(other)
    index, low, on, stack, groups = {}, {}, set(), [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            if len(group) > 1:
                groups.append(sorted(group))

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return groups


def main():
    root, build = sys.argv[1:3]
    pairs = sorted(set(uses(root, build)))
    faults = sorted(set(faults_of_order(pairs)))
    for group in circles(pairs):
        inside = ["  %s %s %s" % p for p in pairs if p[0] in group and p[1] in group and p[0] != p[1]]
        faults.append("these files use each other: %s\n%s" % (", ".join(group), "\n".join(inside)))
    outside = sorted(p for p in sources(root) if room_of(p) is None)
    faults += ["%s stands in no room" % path for path in outside]
    print("\n".join(faults) if faults else "%d uses between files, all in order" % len(pairs))
    sys.exit(1 if faults else 0)


main()
