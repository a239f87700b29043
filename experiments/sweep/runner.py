"""Computes points: here, some at a time, or as a task of a cluster's job. What is done is skipped, what was cut goes on."""
import concurrent.futures
import json
import os
import platform
import signal
import socket
import statistics
import threading
import time

from plan import states
from points import Digests, calibrations, data_arguments, drafting, generates, model_arguments, option_words, part_arguments
from program import ProgramError, Run, granted_cores, mpi_version
from spec import PARTS
from store import DEPENDS, OF_DATA

SIGNAL_SECONDS = 3

stopping = threading.Event()
running = set()


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def environment(program):
    return {"host": socket.gethostname(), "processor": processor(), "cores": granted_cores(), "load": os.getloadavg()[0],
            "version": program.version, "commit": program.commit, "mpi": mpi_version(),
            "slurm": {k: v for k, v in os.environ.items()
                      if k.startswith("SLURM_") and ("JOB" in k or "ARRAY" in k or k in ("SLURM_CPUS_PER_TASK", "SLURM_RESTART_COUNT"))}}


def arguments_of(point, store):
    """The command of a point that the parties run together."""
    where, axes = point.where, point.where["axes"]
    tail = ["--threads", str(axes["threads"]), *option_words(point.settings.get("options"))]
    if point.measure in OF_DATA:
        words = ["eval", *model_arguments(where), *data_arguments(point), *tail,
                 "--out", str(store.directory / "predictions" / (point.digest + ".jsonl"))]
        if point.measure == "ranges":  # in one process, which sees all values
            return [*words, "--local", "--check-ranges", "--report", str(report_of(point, store))]
        return words + (["--check"] if point.measure == "agreement" else [])
    if point.measure in PARTS:
        words = ["bench", *part_arguments(point), "--runs", str(point.settings["runs"]), *tail]
    elif generates(point):
        words = ["generate", *model_arguments(where), "--input", where["model"]["prompts"], "--ignore-eos",
                 "--max-tokens", str(axes["tokens"]), "--batch", str(axes["batch"]), *tail]
    else:
        words = ["bench", *model_arguments(where), "--seq", str(axes["seq"]), "--batch", str(axes["batch"]), "--runs", "1", *tail]
        words += ["--layers", str(axes["layers"])] if axes["layers"] else []
        words += ["--tokens", str(axes["tokens"])] if axes["tokens"] else []
        words += ["--report"] if point.measure == "profile" else []
    if axes["network"] == "local":
        return [*words, "--local"]
    if axes["network"] not in ("none", "hosts"):
        words += ["--shape", axes["network"]]
    return words


def report_of(point, store):
    return store.directory / "logs" / (point.digest + ".ranges")


def used_of(point, store):
    """The nodes that take most of their ranges: of those whose op bounds them, as tanh does, and of the others."""
    nodes = json.loads(report_of(point, store).read_text(encoding="utf-8"))["nodes"]
    widest = max(node["range"] for node in nodes)
    most = {}
    for node in nodes:
        kind, used = "bounded" if node["range"] < widest else "free", node["private"] / node["range"]
        if used >= most.get(kind, {"used": 0})["used"]:
            most[kind] = {**node, "used": used}
    return most


def figures_of(measure, value, forecast):
    """A result's figures by name: what tables show. Seconds of set-up, prefill and the rest add up to the total."""
    if measure == "fidelity":
        return {}
    if measure == "link":
        return {**value["bytes_per_second"], "round_seconds": value["round_seconds"]}
    figures = {}
    if "bytes" in value:
        figures = {"bytes": value["bytes"]["total"], "rounds": value["rounds"]["total"] if isinstance(value["rounds"], dict) else value["rounds"]}
        if "links" in value["bytes"]:
            figures["sent"] = [sum(row) for row in value["bytes"]["links"]]
    if measure == "cost":
        return {**figures, "memory": value["memory"]}
    seconds = value["seconds"]
    if "prefill" in seconds:
        figures.update(prefill=seconds["prefill"], seconds=seconds["prefill"] + seconds["decode"], per_token=seconds.get("per_token"))
    else:
        figures.update(seconds=seconds["online"])
    figures.update(total=seconds["total"], setup=seconds["total"] - figures["seconds"], memory=value.get("peak_memory"))
    if measure in PARTS:
        figures.update({k: seconds[k] for k in ("fastest", "slowest")}, per_element=figures["bytes"] / value["elements"])
    for name in ("value", "examples", "plain_value", "agreement", "max_abs_error"):
        if name in value:
            figures[name] = value[name]
    if forecast and measure in ("time", "profile") and "links" not in value.get("bytes", {}):
        figures.setdefault("bytes", forecast["bytes"]["total"])
    return {k: v for k, v in figures.items() if v is not None}


def unchanged(point, program, store):
    """Raises ProgramError if the model, or its ranges, are not what they were when the point was named."""
    if not point.where["model"]:
        return
    digests, draft = Digests(store.directory / "digests.json"), drafting(point.where["axes"])
    try:
        now = digests.model(point.where["model"])
        drafts = digests.model(draft) if draft else None
    except OSError as error:
        raise ProgramError(f"the model went away: {error.strerror}: {error.filename}") from None
    if now != point.where["model_digest"] or drafts != point.settings.get("draft_model", drafts):
        raise ProgramError("the model's files have changed since the sweep began")
    ranges = calibrations(program, [(point.where["model"], point.where["axes"]["approx"])])[0]
    if "ranges" in DEPENDS[point.measure] and ranges != (point.settings.get("ranges") or None):
        raise ProgramError("the model was calibrated anew since the sweep began")


def measure_point(point, program, forecasts, store, result):
    """Fills in what came of the point; raises ProgramError."""
    if program.version != point.where["program"]:
        raise ProgramError(f"the point is of trefoil {point.where['program']}, and this is {program.version}")
    unchanged(point, program, store)
    entry = forecasts.of(point)
    if entry:
        result["forecast"] = {k: entry[k] for k in ("bytes", "rounds", "memory")}
        result["warnings"] = entry["warnings"]
    if point.measure == "cost":
        result["result"] = {k: v for k, v in entry.items() if k not in ("key", "warnings")}
    elif point.measure == "fidelity":
        result["result"], result["warnings"] = program.json(["ops", "--fidelity"])
        result["seeds"] = {"inputs": result["result"].get("seed")}
    else:
        groups = point.where["groups"] if point.measure in OF_DATA and point.measure != "ranges" else 1
        run = Run(program, arguments_of(point, store), groups, point.where.get("hosts"), store.directory / "logs" / (point.digest + ".log"))
        running.add(run)
        result["command"] = run.command
        try:
            result["result"], found = run.result(point.where["timeout"])
        finally:
            running.discard(run)
        result["warnings"] = list(dict.fromkeys(result.get("warnings", []) + found))
    result["figures"] = figures_of(point.measure, result["result"], entry)
    if point.measure == "ranges":
        result["result"]["used"] = used_of(point, store)
        result["figures"].update({f"range_{kind}": node["used"] for kind, node in result["result"]["used"].items()})


def compute(point, program, forecasts, store):
    """The result of a point; a failure is a result too, with its reason."""
    began = time.monotonic()
    of_data = point.measure in OF_DATA
    result = {"settings": point.settings, "label": point.label, "measure": point.measure,
              "limit": point.where["limit"] if of_data else 0, "environment": environment(program),
              "seeds": {"weights and tokens": 1} if point.measure in ("time", "profile") else {},
              "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    try:
        measure_point(point, program, forecasts, store, result)
    except ProgramError as error:
        result["error"] = str(error)
    result["seconds"] = time.monotonic() - began
    return result


def one(point, program, forecasts, store, again):
    """Computes a point unless it is done, has failed before, or somebody else is at it. What came of it, in a word."""
    if stopping.is_set():
        return "left"
    with store.lock(point.digest) as mine:
        if not mine:
            return "elsewhere"
        state = states([point], store)[point.digest]
        if state == "done" or state == "failed" and not again:
            return state
        program.check()
        result = compute(point, program, forecasts, store)
        program.check()
        if "error" in result and "SLURM_JOB_ID" in os.environ:
            stopping.wait(SIGNAL_SECONDS)  # a job that is ended hears of it later than its steps, which are ended first
        if stopping.is_set():
            return "left"  # what was cut is no result; eval's own file keeps its finished examples
        store.write(point.digest, result)
        return "failed" if "error" in result else "done"


def stop(*_):
    stopping.set()
    for run in list(running):
        run.stop()


def run_here(points, program, forecasts, store, jobs, again, fail_fast, say):
    """All points, `jobs` at a time. Returns how many there are of each outcome. What cannot be written, a program that is
    not the same any more, or a node that starts no parties ends the sweep: OSError."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    counts = dict.fromkeys(("done", "failed", "elsewhere", "left"), 0)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(one, p, program, forecasts, store, again): p for p in points}
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            try:
                point, outcome = futures[future], future.result()
            except OSError:
                stop()
                raise
            counts[outcome] += 1
            failed = store.read(point.digest) if outcome == "failed" else None
            say(number, len(points), point, outcome, failed["error"] if failed else "")
            if outcome == "failed" and fail_fast:
                stop()
    return counts


def seconds_known(results):
    """The median seconds of what was measured, by the kind of point: what estimates go by."""
    found = {}
    for result in results:
        if "error" not in result:
            label = result["label"]
            key = (result["measure"], label["model"], label["approx"], label["seq"], label["network"])
            found.setdefault(key, []).append(result["seconds"])
    return {key: statistics.median(values) for key, values in found.items()}
