"""The trefoil program as a sweep calls it: one JSON object a call, or the reason why there is none."""
import concurrent.futures
import functools
import json
import os
import re
import shutil
import signal
import subprocess


class ProgramError(Exception):
    """A call failed: its reason in one line."""


class ProgramChanged(OSError):
    """The program is another one than when the sweep began, so that results would bear a name that is not theirs."""


class LauncherFailed(OSError):
    """A node, and no party, is why nothing ran: the point stays open, and the task ends."""


# srun's words for it.
NODE_FAILED = re.compile(r"srun: error: .*(Task launch .* failed|Unable to create step|[Nn]ode failure|Unable to contact|Communication connection failure)")


class Program:
    def __init__(self, path):
        self.path = path
        self.first = self.file()
        words = self.call(["--version"])[0].split(None, 2)
        self.commit = words[2].strip("()\n ") if len(words) > 2 else ""
        self.version = " ".join(w for w in (words[1] if len(words) > 1 else "unknown", self.commit) if w)

    def file(self):
        """The program's file, as it can be told from another."""
        try:
            info = os.stat(shutil.which(self.path) or self.path)
        except OSError as error:
            raise ProgramChanged(f"{self.path}: {error.strerror}") from None
        return info.st_ino, info.st_size, info.st_mtime_ns

    def check(self):
        """Raises ProgramChanged, which ends the sweep: what is left stays open."""
        if self.file() != self.first:
            raise ProgramChanged(f"{self.path} has changed since the sweep began; start it again")

    def call(self, arguments, given=""):
        """A command that needs no parties, ended well: its output and its errors."""
        try:
            done = subprocess.run([self.path, *arguments], input=given, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProgramError(f"{self.path}: {error}") from None
        if done.returncode:
            raise ProgramError(reason(done.stderr) or f"{self.path} ended with status {done.returncode}")
        return done.stdout, done.stderr

    def json(self, arguments):
        """What such a command prints with --json, and its warnings."""
        out, errors = self.call([*arguments, "--json"])
        return json.loads(out), warnings(errors)

    def costs(self, points, options=()):
        """The forecasts of many settings at once, on all cores, each a dict with "error" where there is none."""
        def some(part):
            lines = self.call(["cost", "--each", "-", *options], "".join(json.dumps(p) + "\n" for p in part))[0].splitlines()
            if len(lines) != len(part):
                raise ProgramError(f"cost --each answered {len(lines)} of {len(part)} lines")
            return [json.loads(line) for line in lines]
        parts = min(granted_cores(), 1 + len(points) // 16)
        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            answers = list(pool.map(some, [points[i::parts] for i in range(parts)]))
        return [answers[i % parts][i // parts] for i in range(len(points))]


def reason(text):
    """The first cause among the lines of standard error."""
    lines = [line for line in text.splitlines() if line.startswith("trefoil: ") and "warning: " not in line]
    if lines:
        return lines[0][len("trefoil: "):]
    others = [line.strip() for line in text.splitlines() if any(c.isalpha() for c in line)]  # mpirun rules lines around its own
    return " ".join(others[:2])


def warnings(text):
    return [line.split("warning: ", 1)[1] for line in text.splitlines() if line.startswith("trefoil: warning: ")]


def first_line(*command):
    try:
        return (subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() or [""])[0]
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def mpi_version():
    return first_line("mpirun", "--version")


@functools.cache
def srun_starts_parties():
    """Whether this is an allocation whose srun brings processes together by PMIx."""
    if not os.environ.get("SLURM_JOB_ID") or not shutil.which("srun"):
        return False
    done = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True)
    return "pmix" in done.stdout + done.stderr


def granted_cores():
    """The processors that this process may use, not those of the node."""
    granted = len(os.sched_getaffinity(0))
    return min(granted, int(os.environ.get("SLURM_CPUS_PER_TASK") or granted))


def launch(words, groups, hosts=None):
    """How three parties a group run a command: srun inside an allocation that has tasks for them, else mpirun."""
    ranks = 3 * groups
    if "--local" in words:
        return words
    if hosts:
        command = ["mpirun", "--host", ",".join(f"{name}:{hosts['names'].count(name)}" for name in dict.fromkeys(hosts["names"]))]
        for rank, identity in enumerate(hosts["identities"]):
            command += [":"] * (rank > 0) + ["-n", "1", *words, "--parties", hosts["parties"], "--identity", identity]
        return command
    if srun_starts_parties() and int(os.environ.get("SLURM_NTASKS") or 1) >= ranks:
        cores = os.environ.get("SLURM_CPUS_PER_TASK")
        return ["srun", "-N", "1", "-n", str(ranks), *(["-c", cores] if cores else []), "--mpi=pmix", "--kill-on-bad-exit=1", *words]
    return ["mpirun", "-n", str(ranks), "--oversubscribe", *words]


def launch_environment():
    environment = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    if os.geteuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return environment


class Run:
    """A private command under its launcher; `stop` ends it and all its processes."""

    def __init__(self, program, arguments, groups, hosts, log):
        self.command = launch([program.path, *arguments, "--json"], groups, hosts)
        self.log = open(log, "w+", encoding="utf-8", errors="replace")
        self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                      env={**os.environ, **launch_environment()}, start_new_session=True, text=True)

    def stop(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)

    def result(self, timeout):
        """The object that it prints, and its warnings; raises ProgramError with the first cause."""
        try:
            out, _ = self.child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise ProgramError(f"took more than {timeout} s") from None
        self.log.seek(0)
        errors = self.log.read()
        self.log.close()
        if self.child.returncode:
            if self.command[0] == "srun" and "trefoil: " not in errors and (match := NODE_FAILED.search(errors)):
                raise LauncherFailed(match[0])
            raise ProgramError(reason(errors) or f"status {self.child.returncode}")
        try:
            return json.loads(out), warnings(errors)
        except json.JSONDecodeError:
            raise ProgramError("printed no JSON object") from None
