"""Submits a sweep to Slurm: an array of jobs, each a pack of points, that are requeued when they are preempted."""
import json
import re
import shlex
import subprocess

from store import Point, write_whole

MOST_RESTARTS = 50  # of a task that time limits or preemption cut again and again


class SlurmError(Exception):
    pass


def packs(points, seconds, shortest, most):
    """Lists of points that make a task of `shortest` seconds or more each, at most `most` of them. `seconds`: of each."""
    groups, current, total = [], [], 0.0
    for point in points:
        current.append(point)
        total += seconds[point.digest]
        if total >= shortest:
            groups.append(current)
            current, total = [], 0.0
    if current:
        groups.append(current)
    while len(groups) > most:  # cut by the cluster's limit: neighbours share a task
        groups = [sum(groups[i:i + 2], []) for i in range(0, len(groups), 2)]
    return groups


def max_array_size():
    try:
        text = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SlurmError(f"scontrol show config: {error}") from None
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", text, re.M)
    return int(match.group(1)) - 1 if match else 1000


def write_job(store, groups, command, throttle):
    """The job's script, and beside it the points of each task."""
    folder = store.directory.resolve() / "jobs"
    folder.mkdir(exist_ok=True)
    number = 1 + max([int(p.stem) for p in folder.glob("*.sh") if p.stem.isdigit()], default=0)
    tasks = folder / f"{number}.points"
    points = [(task, point) for task, group in enumerate(groups, 1) for point in group]
    write_whole(tasks, "".join(json.dumps({"task": task, **point.record()}) + "\n" for task, point in points))
    ranks = 3 * max(p.where["groups"] if "data" in p.settings else 1 for _, p in points)
    threads = max(p.where["axes"]["threads"] for _, p in points)
    words = " ".join(shlex.quote(w) for w in [*command, "--task", str(tasks)])
    script = folder / f"{number}.sh"
    write_whole(script, f"""#!/bin/bash
#SBATCH --job-name=trefoil-sweep
#SBATCH --array=1-{len(groups)}{f'%{throttle}' if throttle else ''}
#SBATCH --nodes=1
#SBATCH --ntasks={ranks}
#SBATCH --cpus-per-task={threads}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
#SBATCH --output={folder}/{number}-%a.out
# Time limits send SIGTERM a minute ahead: what is computed is saved, and the task goes back to the queue, where it goes on
# with the points that are left. A task that is preempted goes back by itself, and one that is cancelled does not.
again() {{
    kill -TERM "$child" 2>/dev/null
    wait "$child"
    [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" != RUNNING ] || [ "${{SLURM_RESTART_COUNT:-0}}" -ge {MOST_RESTARTS} ] ||
        scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
    exit 0
}}
trap again TERM
{words}:"$SLURM_ARRAY_TASK_ID" &
child=$!
wait "$child"
""")
    return script


def read_task(text):
    """The points of FILE:NUMBER."""
    path, _, number = text.rpartition(":")
    try:
        with open(path, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        return [Point.of_record(r) for r in records if str(r["task"]) == number]
    except (ValueError, KeyError, TypeError):
        raise SlurmError(f"{path} is no list of points, or was cut; submit the sweep again") from None


def submit(script, options):
    try:
        done = subprocess.run(["sbatch", "--parsable", *shlex.split(options), str(script)], capture_output=True, text=True)
    except OSError as error:
        raise SlurmError(f"sbatch: {error}") from None
    if done.returncode:
        raise SlurmError(f"sbatch: {done.stderr.strip()}")
    return done.stdout.strip().split(";")[0]
