"""Submits a sweep to Slurm: an array of jobs, each a pack of points, that are requeued when they are preempted."""
import re
import shlex
import subprocess

from runner import seconds_of

PACK_SECONDS = 600  # a job shorter than this costs the scheduler more than it computes


class SlurmError(Exception):
    pass


def packs(points, results, most):
    """Lists of points that make a job of ten minutes or more each, at most `most` of them."""
    groups, current, total = [], [], 0.0
    for point in points:
        seconds = seconds_of(point, results)
        current.append(point)
        total += PACK_SECONDS / 10 if seconds is None else seconds
        if total >= PACK_SECONDS:
            groups.append(current)
            current, total = [], 0.0
    if current:
        groups.append(current)
    while len(groups) > most:  # cut by the cluster's limit: neighbours share a job
        groups = [sum(groups[i:i + 2], []) for i in range(0, len(groups), 2)]
    return groups


def max_array_size():
    try:
        text = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SlurmError(f"scontrol show config: {error}") from None
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", text, re.M)
    return int(match.group(1)) - 1 if match else 1000


def write_job(store, groups, command, ranks, throttle):
    """The job's script, and beside it the digests of each task's points."""
    folder = store.directory / "jobs"
    folder.mkdir(exist_ok=True)
    number = 1 + max([int(p.stem) for p in folder.glob("*.sh") if p.stem.isdigit()], default=0)
    tasks = folder / f"{number}.tasks"
    tasks.write_text("".join(" ".join(p.digest for p in group) + "\n" for group in groups), encoding="utf-8")
    script = folder / f"{number}.sh"
    script.write_text(f"""#!/bin/bash
#SBATCH --job-name=trefoil-sweep
#SBATCH --array=1-{len(groups)}{f'%{throttle}' if throttle else ''}
#SBATCH --ntasks={ranks}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
#SBATCH --output={folder}/{number}-%a.out
# Preemption and time limits send SIGTERM a minute ahead: what is computed is saved, and the task goes back to the queue.
{' '.join(shlex.quote(word) for word in command)} --only "$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {shlex.quote(str(tasks))})" &
child=$!
trap 'kill -TERM $child; wait $child; scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"; exit 0' TERM
wait $child
""", encoding="utf-8")
    return script


def submit(script, options):
    try:
        done = subprocess.run(["sbatch", "--parsable", *shlex.split(options), str(script)], capture_output=True, text=True)
    except OSError as error:
        raise SlurmError(f"sbatch: {error}") from None
    if done.returncode:
        raise SlurmError(f"sbatch: {done.stderr.strip()}")
    return done.stdout.strip().split(";")[0]
