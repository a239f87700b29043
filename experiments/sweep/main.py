"""trefoil sweep: declares, checks, runs, submits and looks at batches of experiments. See experiments/CLUSTER.md."""
import argparse
import os
import pathlib
import sys
import tarfile

import plan
import slurm
import tables
from program import Program, ProgramError, granted_cores
from runner import run_here
from spec import SpecError, read_spec
from store import Store

EXAMPLES = """examples:
  trefoil sweep experiments/sweep/specs/quick.toml --list
  trefoil sweep experiments/sweep/specs/quick.toml --out results seq=32,128
  trefoil sweep SPEC --out results --slurm "--partition=short --time=2:00:00"
  trefoil sweep results --table md --where measure=time --by model,approx
  trefoil sweep results --report report.html
"""


def parse(arguments):
    parser = argparse.ArgumentParser("trefoil sweep", description="Batches of experiments: a spec's points here or on a "
                                     "cluster, a store of results, tables and a report.", epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", metavar="SPEC|STORE", help="a file that says what is to be measured, or a store of results")
    parser.add_argument("overrides", nargs="*", metavar="KEY=V1,V2", help="values of an axis, in place of the spec's")
    parser.add_argument("--list", action="store_true", help="what there is to do, checked and forecast; runs nothing")
    parser.add_argument("--out", metavar="DIR", help="the store: made where it is missing, gone on with where it is not")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N", help="points at a time (1)")
    parser.add_argument("--slurm", metavar="OPTIONS", help="submit to Slurm with these options of sbatch, and return")
    parser.add_argument("--throttle", type=int, default=0, metavar="N", help="with --slurm: tasks at a time")
    parser.add_argument("--retry-failed", action="store_true", help="compute again what failed")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    parser.add_argument("--only", metavar="DIGESTS", help=argparse.SUPPRESS)
    parser.add_argument("--table", choices=("csv", "md", "json"), help="the store's results as a table")
    parser.add_argument("--where", action="append", metavar="COLUMN=V1,V2", help="only rows with these values")
    parser.add_argument("--by", metavar="COLUMNS", help="group rows by these columns: medians")
    parser.add_argument("--compare", metavar="STORE", help="what differs from another store; status 1 if anything is worse")
    parser.add_argument("--threshold", type=float, default=0.05, metavar="PART", help="with --compare: from which change on (0.05)")
    parser.add_argument("--report", metavar="FILE.html", help="one page with everything; plots need Debian's python3-matplotlib")
    parser.add_argument("--pack", metavar="FILE.tar.gz", help="an archive of the store, without locks and logs")
    if "--slurm" in arguments[:-1]:  # its value begins with dashes, which argparse takes for an option of its own
        at = arguments.index("--slurm")
        arguments = [*arguments[:at], f"--slurm={arguments[at + 1]}", *arguments[at + 2:]]
    return parser.parse_intermixed_args(arguments)


def fail(message, status=1):
    for line in str(message).splitlines():
        print("trefoil: sweep: " + line, file=sys.stderr)
    sys.exit(status)


def look(options):
    """Everything that reads a store and computes nothing."""
    store = Store(options.what)
    if options.pack:
        with tarfile.open(options.pack, "w:gz") as archive:
            for part in ("results", "predictions", "forecasts.jsonl", "spec.toml"):
                if (store.directory / part).exists():
                    archive.add(store.directory / part, f"{store.directory.name}/{part}")
        return
    results = list(store.all())
    by = options.by.split(",") if options.by else None
    if by and (unknown := [c for c in by if c not in tables.COLUMNS]):
        raise tables.TableError(f"'{unknown[0]}' is no column; columns are {', '.join(tables.COLUMNS)}")
    where = tables.parse_where(options.where)
    if options.report:
        import report
        report.write(options.report, store, results, where)
        return
    if options.compare:
        lines, worse = tables.compare(results, list(Store(options.compare).all()), options.threshold)
        print("\n".join(lines) or f"nothing differs by more than {options.threshold:.0%}")
        sys.exit(1 if worse else 0)
    sys.stdout.write(tables.render(list(tables.rows_of(results, where, by)), options.table or "md"))


def size(n):
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000


def show(points, state, program, store):
    """The list: each point with its state and forecast, and what it comes to."""
    total_bytes = total_rounds = most = 0
    print(f"{'state':8} {'measure':10} {'model':14} {'approx':16} {'seq':>5} {'batch':>5} {'network':8} {'bytes':>9} {'rounds':>7} {'memory':>9}")
    for point in points:
        a, entry = point.label, plan.forecast(point, program, store)
        total_bytes, total_rounds = total_bytes + entry["bytes"]["total"], total_rounds + entry["rounds"]
        most = max(most, entry["memory"])
        print(f"{state[point.digest]:8} {point.measure:10} {a['model'][:14]:14} {a['approx'][:16]:16} {a['seq']:>5} {a['batch']:>5} "
              f"{a['network'][:8]:8} {size(entry['bytes']['total']):>9} {entry['rounds']:>7} {size(entry['memory']):>9}")
    counts = {s: list(state.values()).count(s) for s in ("done", "failed", "open")}
    print(f"\n{len(points)} points: {counts['done']} done, {counts['failed']} failed, {counts['open']} open; "
          f"{size(total_bytes)} in {total_rounds} rounds if each ran once")
    print(f"largest memory of a party {size(most)}, three on one machine {size(3 * most)}, of which "
          f"{size(plan.available_memory())} are free here")


def prepare(options):
    """The spec's points, checked; the store, if one is named."""
    overrides = []
    for text in options.overrides:
        key, sign, values = text.partition("=")
        if not sign or not values:
            raise SpecError(f"'{text}' is to be KEY=V1,V2")
        overrides.append((key, values.split(",")))
    spec = read_spec(options.what, overrides)
    program = Program(os.environ.get("TREFOIL", "trefoil"))
    store = Store(options.out) if options.out else None
    if store:
        store.create()
    digests = plan.Digests(store.directory / "digests.json" if store else None)
    points = plan.make_points(spec, program, digests)
    digests.save()
    if options.only is None:
        for warning in plan.check(points, program, store):
            print("trefoil: warning: " + warning, file=sys.stderr)
    return spec, program, store, points


def run(options):
    spec, program, store, points = prepare(options)
    state = plan.states(points, store)
    if options.list:
        show(points, state, program, store)
        return
    if not store:
        raise SpecError("name the store with --out, or look first with --list")
    (store.directory / "spec.toml").write_text(spec.text, encoding="utf-8")
    if options.only is not None:
        wanted = set(options.only.split())
        points = [p for p in points if p.digest in wanted]
    todo = [p for p in points if state[p.digest] == "open" or state[p.digest] == "failed" and options.retry_failed]
    if options.slurm is not None:
        groups = slurm.packs(todo, list(store.all()), slurm.max_array_size())
        if not groups:
            print("nothing is left to do")
            return
        command = [sys.executable, os.path.abspath(__file__), os.path.abspath(options.what), *options.overrides,
                   "--out", str(store.directory.resolve())] + (["--retry-failed"] if options.retry_failed else [])
        os.environ["TREFOIL"] = os.path.abspath(program.path) if os.sep in program.path else program.path
        script = slurm.write_job(store, groups, command, 3 * spec.groups, options.throttle)
        print(f"job {slurm.submit(script, options.slurm)}: {len(todo)} points in {len(groups)} tasks; "
              f"trefoil sweep {options.out} --table md shows what is done")
        return
    skipped = len(points) - len(todo)
    if skipped:
        print(f"trefoil: sweep: {skipped} of {len(points)} points are done already", file=sys.stderr)

    def say(number, total, point, outcome, reason):
        words = [point.measure, *(f"{k}={v}" for k, v in point.label.items() if v and k not in ("measure", "repeat"))]
        print(f"{number}/{total} {outcome}: {' '.join(words)}{': ' + reason if reason else ''}", file=sys.stderr)
    jobs = max(1, min(options.jobs, granted_cores() * 4))
    counts = run_here(todo, program, store, jobs, options.retry_failed, options.fail_fast, say)
    if counts["failed"] or counts["left"]:
        sys.exit(1)


def main():
    options = parse(sys.argv[1:])
    try:
        if pathlib.Path(options.what).is_dir():
            look(options)
        else:
            run(options)
    except (SpecError, tables.TableError) as error:
        fail(error, 2)
    except (plan.PlanError, ProgramError, slurm.SlurmError, OSError) as error:
        fail(error)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
