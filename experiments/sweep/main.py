"""trefoil sweep: declares, checks, runs, submits and looks at batches of experiments. See experiments/CLUSTER.md."""
import argparse
import os
import pathlib
import sys
import tarfile

import plan
import slurm
import tables
from points import Digests, PlanError, make_points
from program import Program, ProgramError, granted_cores
from runner import run_here, seconds_known
from spec import SpecError, read_spec, values_of
from store import Store, write_whole

EXAMPLES = """examples:
  trefoil sweep experiments/sweep/specs/networks.toml --list
  trefoil sweep experiments/sweep/specs/networks.toml --out results seq=32,64
  trefoil sweep SPEC --out results --slurm "--partition=short --time=2:00:00"
  trefoil sweep results --table md --where measure=time --by model,approx
  trefoil sweep results --report report.html
"""


def parse(arguments):
    parser = argparse.ArgumentParser("trefoil sweep", description="Batches of experiments: a spec's points here or on a "
                                     "cluster, a store of results, tables and a report.", epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", metavar="SPEC|STORE", help="a file that says what is to be measured, or a store of results")
    parser.add_argument("overrides", nargs="*", metavar="KEY=V1,V2", help="values of an axis, in place of the spec's; [\"V1\", \"V2\"] where they have commas")
    parser.add_argument("--list", action="store_true", help="what there is to do, checked and forecast; runs nothing")
    parser.add_argument("--out", metavar="DIR", help="the store: made where it is missing, gone on with where it is not")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N", help="points at a time (1)")
    parser.add_argument("--slurm", metavar="OPTIONS", help="submit to Slurm with these options of sbatch, and return")
    parser.add_argument("--throttle", type=int, default=0, metavar="N", help="with --slurm: tasks at a time")
    parser.add_argument("--retry-failed", action="store_true", help="compute again what failed")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    parser.add_argument("--pack-seconds", type=float, default=600, metavar="S", help="with --slurm: small points share tasks "
                        "of about so many seconds or more (600)")
    parser.add_argument("--task", metavar="FILE:NUMBER", help=argparse.SUPPRESS)
    parser.add_argument("--table", choices=("csv", "md", "json"), help="the store's results as a table")
    parser.add_argument("--where", action="append", metavar="COLUMN=V1,V2", help="only rows with these values")
    parser.add_argument("--by", metavar="COLUMNS", help="group rows by these columns: medians")
    parser.add_argument("--compare", metavar="STORE", help="what differs from another store; status 1 if anything is worse")
    parser.add_argument("--threshold", type=float, default=0.05, metavar="PART", help="with --compare: from which change on (0.05)")
    parser.add_argument("--report", metavar="FILE", help="one page with everything, FILE.html; plots need Debian's python3-matplotlib. FILE.md: the tables as text")
    parser.add_argument("--pack", metavar="FILE.tar.gz", help="an archive of the store, without locks and logs")
    if "--slurm" in arguments[:-1]:  # its value begins with dashes, which argparse takes for an option of its own
        at = arguments.index("--slurm")
        arguments = [*arguments[:at], f"--slurm={arguments[at + 1]}", *arguments[at + 2:]]
    options = parser.parse_intermixed_args(arguments)
    store = pathlib.Path(options.what).is_dir()
    for name in ("table", "report", "compare", "pack", "where", "by") if not store else ("list", "out", "slurm", "overrides", "retry_failed"):
        if getattr(options, name) and not options.task:
            said = name if name == "overrides" else "--" + name.replace("_", "-")
            parser.error(f"{options.what} is a store, and {'KEY=V1,V2' if name == 'overrides' else said} is of a spec" if store else
                         f"{said} is of a store, and {options.what} is none")
    if options.jobs < 1:
        parser.error("-j: at least one point at a time")
    return options


def fail(message, status=1):
    for line in str(message).splitlines():
        print("trefoil: sweep: " + line, file=sys.stderr)
    sys.exit(status)


def look(options):
    """Everything that reads a store and computes nothing."""
    store = Store(options.what)
    if options.pack:
        with tarfile.open(options.pack, "w:gz") as archive:
            for part in ("results", "predictions", "forecasts.jsonl", "specs"):
                if (store.directory / part).exists():
                    archive.add(store.directory / part, f"{store.directory.name}/{part}")
        return
    results = list(store.all())
    if store.damaged:
        print(f"trefoil: warning: {len(store.damaged)} of {len(store.damaged) + len(results)} files in {store.directory}/results are no "
              f"whole results and do not count, such as {store.damaged[0]}; the sweep computes them again", file=sys.stderr)
    by = options.by.split(",") if options.by else None
    if by and (unknown := [c for c in by if c not in tables.COLUMNS]):
        raise tables.TableError(f"'{unknown[0]}' is no column; columns are {', '.join(tables.COLUMNS)}")
    where = tables.parse_where(options.where)
    if options.report:
        import report
        (report.write_text if options.report.endswith(".md") else report.write)(options.report, store, results, where)
        return
    if options.compare:
        lines, worse = tables.compare(results, list(Store(options.compare).all()), options.threshold)
        print("\n".join(lines) or f"nothing differs by more than {options.threshold:.0%}")
        sys.exit(1 if worse else 0)
    rows = list(tables.rows_of(results, where, by))
    sys.stdout.write(tables.render(rows, options.table or "md"))
    published = [e for spec in store.parsed_specs() for e in spec.get("published", [])]
    if options.table in (None, "md") and published and not by:
        print("\nPublished figures beside ours:\n")
        sys.stdout.write(tables.render(list(tables.published_rows(published, rows)), "md"))


def size(n):
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000


def duration(seconds):
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def show(points, state, seconds, forecasts):
    """The list: each point with its state and forecast, and what it comes to."""
    total = {"bytes": 0, "rounds": 0, "memory": 0}
    head = f"{'seq':>5} {'batch':>5} {'tokens':>6} {'network':8} {'bytes':>9} {'rounds':>7} {'memory':>9} {'about':>7}"
    print(f"{'state':8} {'measure':10} {'model':14} {'approx':16} {head}")
    for point in points:
        a, entry = point.label, forecasts.of(point)
        forecast = f"{'':>9} {'':>7} {'':>9}"
        if entry:
            forecast = f"{size(entry['bytes']['total']):>9} {entry['rounds']:>7} {size(entry['memory']):>9}"
            total["bytes"] += entry["bytes"]["total"]
            total["rounds"] += entry["rounds"]
            total["memory"] = max(total["memory"], entry["memory"])
        print(f"{state[point.digest]:8} {point.measure:10} {(a['model'] or '')[:14]:14} {(a['approx'] or str(a.get('size', '')))[:16]:16} {a['seq'] or '':>5} "
              f"{a['batch'] or '':>5} {a['tokens'] or '':>6} {a['network'][:8]:8} {forecast} {duration(seconds[point.digest]):>7}")
    counts = {s: list(state.values()).count(s) for s in ("done", "failed", "open")}
    left = sum(seconds[p.digest] for p in points if state[p.digest] == "open")
    print(f"\n{len(points)} points: {counts['done']} done, {counts['failed']} failed, {counts['open']} open, for about "
          f"{duration(left)} one after the other; {size(total['bytes'])} in {total['rounds']} rounds if each ran once")
    print(f"largest memory of a party {size(total['memory'])}, three on one machine {size(3 * total['memory'])}, of which "
          f"{size(plan.available_memory())} are free here")


def prepare(options):
    """The spec's points, checked; the store, if one is named."""
    overrides = []
    for text in options.overrides:
        key, sign, values = text.partition("=")
        if not sign or not values:
            raise SpecError(f"'{text}' is to be KEY=V1,V2, or KEY=[\"V1\", \"V2\"] where values have commas")
        overrides.append((key, values_of(values)))
    spec = read_spec(options.what, overrides)
    program = Program(os.environ.get("TREFOIL", "trefoil"))
    store = Store(options.out) if options.out else None
    if store:
        store.create()
    digests = Digests(store.directory / "digests.json" if store else None)
    points = make_points(spec, program, digests)
    digests.save()
    forecasts = plan.Forecasts(program, store)
    for warning in plan.check(points, forecasts, options.jobs, options.slurm is not None):
        print("trefoil: warning: " + warning, file=sys.stderr)
    return spec, program, store, points, forecasts


def compute(points, program, forecasts, store, options):
    def say(number, total, point, outcome, reason):
        words = [point.measure, *(f"{k}={v}" for k, v in point.label.items() if v and k not in ("measure", "repeat", "program"))]
        print(f"{number}/{total} {outcome}: {' '.join(words)}{': ' + reason if reason else ''}", file=sys.stderr, flush=True)
    jobs = max(1, min(options.jobs, granted_cores() * 4))
    counts = run_here(points, program, forecasts, store, jobs, options.retry_failed, options.fail_fast, say)
    if counts["failed"] or counts["left"]:
        sys.exit(1)


def run_task(options):
    """A task of a submitted job: its points, as they were checked when it was submitted."""
    program, store = Program(os.environ.get("TREFOIL", "trefoil")), Store(options.what)
    compute(slurm.read_task(options.task), program, plan.Forecasts(program, store), store, options)


def submit(options, spec, program, store, todo, seconds):
    groups = slurm.packs(todo, seconds, options.pack_seconds, slurm.max_array_size())
    if not groups:
        print("nothing is left to do")
        return
    command = [sys.executable, os.path.abspath(__file__), str(store.directory.resolve())]
    command += ["--retry-failed"] * options.retry_failed + ["--fail-fast"] * options.fail_fast
    os.environ["TREFOIL"] = os.path.abspath(program.path) if os.sep in program.path else program.path
    script = slurm.write_job(store, groups, command, options.throttle)
    print(f"job {slurm.submit(script, options.slurm)}: {len(todo)} points in {len(groups)} tasks, for about "
          f"{duration(sum(seconds[p.digest] for p in todo))} one after the other; trefoil sweep {options.out} --table md "
          f"shows what is done")


def run(options):
    spec, program, store, points, forecasts = prepare(options)
    state = plan.states(points, store)
    known = seconds_known(store.all()) if store else {}
    seconds = {p.digest: plan.estimate(p, forecasts.of(p), known) for p in points}
    if options.list:
        show(points, state, seconds, forecasts)
        return
    if not store:
        raise SpecError("name the store with --out, or look first with --list")
    write_whole(store.directory / "specs" / (pathlib.Path(options.what).stem + ".toml"), spec.text)
    todo = [p for p in points if state[p.digest] == "open" or state[p.digest] == "failed" and options.retry_failed]
    if options.slurm is not None:
        submit(options, spec, program, store, todo, seconds)
        return
    if len(points) > len(todo):
        print(f"trefoil: sweep: {len(points) - len(todo)} of {len(points)} points are done already, or failed", file=sys.stderr)
    compute(todo, program, forecasts, store, options)


def main():
    options = parse(sys.argv[1:])
    try:
        if options.task:
            run_task(options)
        elif pathlib.Path(options.what).is_dir():
            look(options)
        else:
            run(options)
    except (SpecError, tables.TableError) as error:
        fail(error, 2)
    except (PlanError, ProgramError, slurm.SlurmError) as error:
        fail(error)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)


if __name__ == "__main__":
    main()
