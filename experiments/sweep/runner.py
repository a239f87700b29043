"""Computes points: here, some at a time, or as a task of a cluster's job. What is done is skipped, what was cut goes on."""
import concurrent.futures
import os
import platform
import signal
import socket
import statistics
import threading
import time

from plan import forecast, model_arguments, size_arguments, states
from program import NETWORKS, ProgramError, Run, granted_cores

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
            "version": program.version, "commit": program.commit,
            "slurm": {k: v for k, v in os.environ.items() if k.startswith("SLURM_") and "JOB" in k or k == "SLURM_CPUS_PER_TASK"}}


def arguments_of(point, store):
    """The command of a point that the parties run together."""
    where, axes = point.where, point.where["axes"]
    words = []
    if point.measure == "time":
        words = ["bench", *model_arguments(where), *size_arguments(where), "--runs", "1", "--threads", str(axes["threads"])]
        if axes["network"] != "none":
            words += ["--shape", NETWORKS.get(axes["network"]) or axes["network"]]
    else:
        model = where["model"]
        words = ["eval", *model_arguments(where), "--data", model["data"],
                 "--out", str(store.directory / "predictions" / (point.digest + ".jsonl"))]
        for key in ("metric", "columns"):
            if key in model:
                words += ["--" + key, model[key]]
        if point.measure == "perplexity":
            words += ["--metric", "perplexity"]
        if point.measure == "agreement":
            words += ["--check"]
        if where["limit"]:
            words += ["--limit", str(where["limit"])]
    return words


def compute(point, program, store):
    """The result of a point; a failure is a result too, with its reason."""
    started = time.time()
    result = {"settings": point.settings, "label": point.label, "measure": point.measure, "limit": point.where["limit"],
              "whole": point.where["limit"] == 0 or point.measure in ("cost", "time", "fidelity"),
              "environment": environment(program), "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))}
    try:
        if point.measure in ("cost", "time"):
            entry = forecast(point, program, store)
            result["forecast"] = {k: entry[k] for k in ("bytes", "rounds", "memory")}
            result["warnings"] = entry["warnings"]
        if point.measure == "cost":
            result["result"] = {"bytes": entry["bytes"], "rounds": entry["rounds"], "memory": entry["memory"], "ops": entry["ops"]}
        elif point.measure == "fidelity":
            result["result"], result["warnings"] = program.json(["ops", "--fidelity"])
        else:
            run = Run(program, arguments_of(point, store), point.where["groups"],
                      store.directory / "logs" / (point.digest + ".log"))
            running.add(run)
            try:
                result["result"], found = run.result(point.where["timeout"])
            finally:
                running.discard(run)
            result["warnings"] = result.get("warnings", []) + found
    except ProgramError as error:
        result["error"] = str(error)
    result["seconds"] = time.time() - started
    return result


def one(point, program, store, again):
    """Computes a point unless it is done, has failed before, or somebody else is at it. What came of it, in a word."""
    if stopping.is_set():
        return "left"
    with store.lock(point.digest) as mine:
        if not mine:
            return "elsewhere"
        state = states([point], store)[point.digest]
        if state == "done" or state == "failed" and not again:
            return state
        result = compute(point, program, store)
        if stopping.is_set():
            return "left"  # what was cut is no result; eval's own file keeps its finished examples
        store.write(point.digest, result)
        return "failed" if "error" in result else "done"


def stop(*_):
    stopping.set()
    for run in list(running):
        run.stop()


def run_here(points, program, store, jobs, again, fail_fast, say):
    """All points, `jobs` at a time. Returns how many there are of each outcome."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    counts = dict.fromkeys(("done", "failed", "elsewhere", "left"), 0)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(one, p, program, store, again): p for p in points}
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            point, outcome = futures[future], future.result()
            counts[outcome] += 1
            failed = store.read(point.digest) if outcome == "failed" else None
            say(number, len(points), point, outcome, failed["error"] if failed else "")
            if outcome == "failed" and fail_fast:
                stop()
    return counts


def seconds_of(point, results):
    """How long a point is likely to take, from results of its kind; None where nothing is known."""
    like = [r["seconds"] for r in results if r["measure"] == point.measure and "error" not in r and
            r["label"].get("model") == point.label["model"] and r["label"].get("seq") == point.label["seq"]]
    return statistics.median(like) if like else None
