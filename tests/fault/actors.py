"""The processes of a schedule: a server with its worker, a worker of its own, and something like init that keeps them alive."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

from cluster import children, marked, send

RESTART_S = 0.3  # what an init system waits before it starts a process again
# What a process may take beyond its drain time for what cannot be cut short, as its own code has it.
GRACE_S = 6.0
WORKER = "the extra worker"  # its name in the database; the other one's is made up by the program


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def freeze(pids, pause):
    """SIGSTOP for as long as `pause()` takes; False when there was none of them."""
    stopped = [pid for pid in pids if send(pid, signal.SIGSTOP)]
    try:
        if stopped:
            pause()
    finally:
        for pid in stopped:
            send(pid, signal.SIGCONT)
    return bool(stopped)


def is_entry(line):
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("time", "level", "message"))


class Actor:
    """A process that is started again whenever it ends, until stop(). Everything is done by its process id."""

    def __init__(self, name, argv, environment, log, prefix=()):
        self.name, self.log = name, pathlib.Path(log)
        self.argv = [*prefix, *map(str, argv)]
        self.environment = environment
        self.lock = threading.Lock()
        self.kept = True
        self.expected = False  # the next end is our doing
        self.surprises = []  # how it ended without our doing
        self.process = None
        self._start()
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()

    def _start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=log, start_new_session=True)

    def _keep(self):
        while True:
            status = self.process.wait()
            with self.lock:
                if not self.expected and self.kept:
                    self.surprises.append(f"{self.name} ended with status {status} of its own accord")
                self.expected = False
                if not self.kept:
                    return
            time.sleep(RESTART_S)
            with self.lock:
                if not self.kept:
                    return
                self._start()

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        """False when it is not there to hear it."""
        with self.lock:
            if self.process.poll() is not None:
                return False
            self.expected = number in (signal.SIGKILL, signal.SIGTERM)
            return send(self.process.pid, number)

    def stop(self, seconds):
        """SIGTERM, and the time it took to end; None when it had to be killed."""
        with self.lock:
            self.kept = False
            running = self.process.poll() is None
        began = time.monotonic()
        if running:
            send(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                send(self.process.pid, signal.SIGKILL)
                self.process.wait()
                return None
        self.keeper.join(5)
        return time.monotonic() - began


def environment(settings, data, mark):
    """Ours without what would tell quenchd anything, and what every process of a schedule gets."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("QUENCHD_", "PG", "DATABASE_"))}
    return ours | settings | {"QUENCHD_DATA_DIR": str(data), "QUENCHD_JOBS": "1", "QUENCHD_THREADS": "1", "QUENCHD_NO_ACCESS_LOG": "yes",
                              "OMP_WAIT_POLICY": "passive", "QUENCHD_FAULT_SUITE": mark}


class Stage:
    """The actors of a schedule, on a database and a data folder of their own."""

    def __init__(self, folder, settings, mark):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.mark = mark
        self.drain_s = float(settings.get("QUENCHD_DRAIN_S", 20))
        self.environment = environment(settings, self.data, mark)
        self.actors = ()

    def stop(self):
        """End everything in an orderly way; what was not orderly about it, as sentences."""
        faults = []
        limit = self.drain_s + GRACE_S
        enders = [threading.Thread(target=lambda a=actor: faults.extend(
            [f"{a.name} did not end within {limit:g} s of SIGTERM"] if a.stop(limit) is None else [])) for actor in self.actors]
        for thread in enders:
            thread.start()
        for thread in enders:
            thread.join()
        for actor in self.actors:
            faults.extend(actor.surprises)
        return faults

    def orphans(self, seconds):
        """Processes of this schedule that outlive their parents by more than `seconds`; they are ended."""
        end = time.monotonic() + seconds
        while (left := marked(f"QUENCHD_FAULT_SUITE={self.mark}")) and time.monotonic() < end:
            time.sleep(0.05)
        for pid in left:
            send(pid, signal.SIGKILL)
        return left

    def end(self):
        """At once, whatever the state."""
        for actor in self.actors:
            with actor.lock:
                actor.kept = False
            send(actor.pid, signal.SIGKILL)
        self.orphans(0)

    def bad_logs(self):
        """Sentences about logs with lines that are no JSON object with time, level and message."""
        return [f"{len(lines)} lines of the log of the {actor.name} are no JSON, first: {lines[0][:200].decode(errors='replace')}"
                for actor in self.actors if (lines := [line for line in actor.log.read_bytes().splitlines() if not is_entry(line)])]


class Pair(Stage):
    """A server with the worker that it supervises ("inner"), and one worker more ("worker")."""

    def __init__(self, program, folder, urls, settings, mark):
        super().__init__(folder, settings, mark)
        port = free_port()
        self.address = ("127.0.0.1", port, None)
        self.server = Actor("server", [program, "serve"], self.environment | {"DATABASE_URL": urls["server"],
                                                                              "QUENCHD_LISTEN": f"127.0.0.1:{port}"}, self.folder / "server.log")
        self.worker = Actor("worker", [program, "work"], self.environment | {"DATABASE_URL": urls["worker"],
                                                                             "QUENCHD_WORKER_NAME": WORKER}, self.folder / "worker.log")
        self.actors = (self.server, self.worker)

    def pids(self, role, luck=0.0):
        """Whom a role means at this moment: a list of one, or none."""
        if role in ("server", "worker"):
            return [getattr(self, role).pid]
        if role == "inner":
            return children(self.server.pid)[:1]
        # "job": a process of one running job, where workers have such.
        jobs = [*self.jobs_of("inner"), *self.jobs_of("worker")]
        return [jobs[int(luck * len(jobs)) % len(jobs)]] if jobs else []

    def jobs_of(self, role):
        """Processes of the jobs of a worker."""
        return [job for worker in self.pids(role) for job in children(worker)]

    def signal_group(self, number):
        """To the server and what it started, unless it put that into a group of its own."""
        with self.server.lock:
            if self.server.process.poll() is not None:
                return False
            self.server.expected = True
            os.killpg(self.server.pid, number)
            return True

    def signal(self, role, number, luck=0.0):
        if role in ("server", "worker"):
            return getattr(self, role).signal(number)
        return any([send(pid, number) for pid in self.pids(role, luck)])
