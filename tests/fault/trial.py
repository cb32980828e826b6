"""One schedule from beginning to end: processes up, work in, faults, and what is left of it."""

import dataclasses
import itertools
import os
import pathlib
import shutil
import signal
import threading
import time

import psycopg2

import invariants
from actors import WORKER, Pair, freeze
from cluster import send
from proxy import Proxy
from recovery import Hit, Watcher
from schedule import CUTS, PROXIED
from workload import ENDLESS, Prober, Workload

READY_S = 30
# After the last fault everything has to come to its end within this time: leases, pauses before another try, and a loaded machine.
PATIENCE_S = 120
CUT_S = 60  # how long a cut waits for its message
OWNER_S = 10  # how long a fault waits for a running job
BLOWS, BLOW_S = 6, 40  # how often a hammered job dies, and within which time

_numbers = itertools.count(1)


@dataclasses.dataclass
class Report:
    schedule: object
    violations: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)     # (kind of fault, seconds), of jobs and of the server
    missed: list = dataclasses.field(default_factory=list)    # faults that found nobody
    outcome: list = dataclasses.field(default_factory=list)
    took: float = 0.0
    repeats: int = 0
    has_job_processes: bool = False


def settings(schedule):
    """Leases of the schedule, or the program's own; checkpoints often, since the jobs are short."""
    if schedule.lease_s is None:
        return {"QUENCHD_CHECKPOINT_S": "1"}
    return {"QUENCHD_LEASE_S": str(schedule.lease_s), "QUENCHD_HEARTBEAT_S": str(schedule.lease_s / 6), "QUENCHD_POLL_S": "0.5",
            "QUENCHD_CHECKPOINT_S": "0.3"}


class Trial:
    """Runs in a lane, whose `cluster` it may use alone while it lasts."""

    def __init__(self, schedule, cluster, program, folder):
        self.schedule, self.cluster, self.program = schedule, cluster, program
        self.folder = pathlib.Path(folder)
        self.report = Report(schedule)
        self.database = f"trial_{os.getpid()}_{next(_numbers)}"
        self.over = threading.Event()  # faults that last end early when this is set
        self.hits = []

    def run(self, undisturbed=None, keep=False):
        """`undisturbed`: the outcome to compare with. A folder is kept when it is to tell what went wrong."""
        began = time.monotonic()
        self.folder.mkdir(parents=True)
        # A copy through the log (the default since 15) takes sequences over without the numbers that they have logged ahead: after a crash
        # they would give some once more. A copy of files begins with a checkpoint.
        self.cluster.execute(f"CREATE DATABASE {self.database} TEMPLATE quenchd STRATEGY file_copy")
        self._build()
        self.watcher = Watcher(self.cluster, self.database)
        try:
            self._disturb()
            self._judge(undisturbed)
        finally:
            self.over.set()
            self.watcher.stop()
            self.stage.end()
            for proxy in self.proxies.values():
                proxy.close()
            self.cluster.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
            self.report.took = time.monotonic() - began
            if not (keep and self.report.violations):
                shutil.rmtree(self.folder, ignore_errors=True)
        return self.report

    def _build(self):
        self.proxies = {side: Proxy(self.cluster.socket) for side in ("server", "worker")}
        self.stage = Pair(self.program, self.folder, {side: proxy.url(self.database) for side, proxy in self.proxies.items()},
                          settings(self.schedule), self.database)

    # ---- the work and the faults ----

    def _disturb(self):
        self._until(self._both_workers, READY_S, "the workers are not ready")
        prober = Prober(self.stage.address)
        self._until(lambda: prober.accepted, READY_S, "the server is not ready")
        zero = time.monotonic()
        faults = self.schedule.faults
        limit = zero + PATIENCE_S + max((fault.at + fault.lasts for fault in faults), default=0)
        self.work = Workload(self.stage.address, limit, self.schedule.endless_s)
        self.work.start()
        hitters = [threading.Thread(target=self._hit, args=(fault, zero), daemon=True) for fault in faults]
        for hitter in hitters:
            hitter.start()
        quiet = None  # since when nothing more is asked for
        while time.monotonic() < limit and not (quiet and self.watcher.all_final(quiet)):
            time.sleep(0.05)
            if self.work.busy() or any(hitter.is_alive() for hitter in hitters):
                quiet = None
            elif not quiet:
                quiet = time.monotonic()
            if not faults:  # what kinds of processes there are is told once, undisturbed
                self.report.has_job_processes = self.report.has_job_processes or self._job_processes()
        if not self.watcher.all_final():
            self.report.violations.append(f"not at its end {time.monotonic() - zero:.0f} s after its beginning: {self.watcher.states()}")
        self._until(lambda: all(prober.recovery(hit) is not None for hit in self.hits), READY_S, "the server takes no POSTs any more")
        prober.stop()
        self._until(lambda: self.cluster.rows(self.database, "SELECT count(*) FROM leftovers")[0][0] == 0, READY_S,
                    "files that nobody needs any more are still there")
        self.report.times += self.watcher.times + [(f"{hit.label}, a POST", prober.recovery(hit)) for hit in self.hits
                                                   if prober.recovery(hit) is not None]

    def _job_processes(self):
        return bool(self.stage.pids("job"))

    def _both_workers(self):
        return self.cluster.rows(self.database, "SELECT count(*) FROM workers")[0][0] == 2

    def _until(self, true, seconds, otherwise):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                self.report.violations.append(otherwise)
                return
            time.sleep(0.05)

    def _hit(self, fault, zero):
        self.over.wait(max(0.0, zero + fault.at - time.monotonic()))
        if self.over.is_set():
            return
        began, label = time.monotonic(), fault.label

        def struck():
            hit = Hit(label, began, time.monotonic())
            self.hits.append(hit)
            self.watcher.fault(hit)

        if not self._apply(fault, struck):
            self.report.missed.append(str(fault))
            if self.schedule.lease_s is None:
                self.report.violations.append("a drill that hits nobody shows nothing")

    def _apply(self, fault, struck):
        """Do it, for as long as it lasts, and call `struck` as soon as it has taken hold; False when nobody was there to be hit."""
        def pause():
            struck()
            self.over.wait(fault.lasts)

        if fault.kind == "hammer":
            return self._hammer(struck)
        if fault.target == "owner" and not (fault := self._on_owner(fault)):
            return False
        kill = signal.SIGTERM if fault.kind == "drain" else signal.SIGKILL
        if fault.kind == "down":
            self.cluster.down(pause)
            return True
        if fault.kind == "freeze":
            pids = self._backend(fault) if fault.target == "backend" else self.stage.pids(fault.target, fault.luck)
            return freeze(pids, pause)
        if fault.kind in CUTS:
            return self._cut(self.proxies[fault.target], fault, struck)
        if fault.kind in PROXIED:
            self._misbehave(self.proxies[fault.target], fault)
            hit = True
        elif fault.kind == "terminate":
            hit = self.cluster.terminate(self.database) > 0
        elif fault.target == "group":
            hit = self.stage.signal_group(signal.SIGTERM)
        elif fault.target == "postmaster":
            hit = self.cluster.kill()
        elif fault.target == "backend":
            hit = any([send(pid, kill) for pid in self._backend(fault)])
        else:
            hit = self.stage.signal(fault.target, kill, fault.luck)
        if hit:
            struck()
        return hit

    def _running(self, endless=False, after=0):
        """(attempt, role of its worker) of the first job that runs and will end, or of the one that does not; None when there is none, or
        its attempt is not after `after`."""
        try:
            rows = self.cluster.rows(
                self.database, "SELECT attempt, worker FROM jobs WHERE state = 'running' AND attempt > %s AND %s = EXISTS (SELECT 1 FROM"
                " simulations s WHERE s.job_id = jobs.id AND s.name = %s) ORDER BY id", after, endless, ENDLESS["name"])
        except psycopg2.Error:
            return None
        return (rows[0][0], "worker" if rows[0][1] == WORKER else "inner") if rows else None

    def _further(self):
        """Whether the job without an end has a checkpoint of its present attempt."""
        try:
            return self.cluster.rows(self.database, "SELECT 1 FROM jobs j JOIN simulations s ON s.job_id = j.id WHERE j.state = 'running' AND s.name = %s"
                                     " AND j.checkpoint_step > j.claimed_checkpoint_step", ENDLESS["name"])
        except psycopg2.Error:
            return None

    def _wait_for(self, what, seconds):
        end = time.monotonic() + seconds
        while not (found := what()) and time.monotonic() < end and not self.over.wait(0.01):
            pass
        return found

    def _on_owner(self, fault):
        """The fault with a process or proxy in place of "owner"; None when nobody runs a job that will end."""
        found = self._wait_for(self._running, OWNER_S)
        if not found:
            return None
        side = "server" if found[1] == "inner" and fault.kind in PROXIED else found[1]
        return dataclasses.replace(fault, target=side)

    def _hammer(self, struck):
        """The process that runs the job without an end is killed as soon as the database has heard of a new checkpoint, again and again: the
        job's own where jobs have one, or its worker's."""
        attempt = blows = 0
        end = time.monotonic() + BLOW_S
        while attempt < BLOWS and (found := self._wait_for(lambda: self._running(True, attempt), end - time.monotonic())):
            attempt, role = found
            if not self._wait_for(self._further, end - time.monotonic()):
                break  # a death without a new checkpoint would count against the job
            if not any([send(pid, signal.SIGKILL) for pid in self.stage.jobs_of(role)]):
                self.stage.signal(role, signal.SIGKILL)
            blows += 1
            if blows == 1:
                struck()
        return blows > 0

    def _backend(self, fault):
        return self.cluster.choose_backend(self.database, fault.luck)

    @staticmethod
    def _misbehave(proxy, fault):
        if fault.kind == "delay":
            proxy.delay(fault.lasts, 0.02 + 0.2 * fault.luck)
        else:
            {"reset": proxy.reset, "swallow": proxy.swallow}[fault.kind](fault.lasts)

    def _cut(self, proxy, fault, struck):
        """The connection is cut with the next message of the kind; none may come for want of work or database."""
        before = proxy.was_cut
        proxy.cut(CUTS[fault.kind], 1 + int(3 * fault.luck))
        if not self._wait_for(lambda: proxy.was_cut > before, CUT_S):
            return False
        struck()
        return True

    # ---- afterwards ----

    def _judge(self, undisturbed):
        found = self.report.violations
        client = self.work.client
        found += [f"refused: {answer}" for answer in client.refused] + [f"never answered: {request}" for request in client.unanswered]
        client.deadline = time.monotonic() + READY_S
        found += self.work.contradictions()
        found += self.stage.stop()
        found += [f"process {pid} outlives its parents" for pid in self.stage.orphans(self.stage.drain_s)]
        found += self.stage.bad_logs()
        try:
            found += invariants.of_promises(self.cluster, self.database, client.answers)
            found += invariants.of_rows(self.cluster, self.database)
            if self.schedule.harmless:
                found += invariants.of_attempts(self.cluster, self.database)
            found += invariants.of_files(self.cluster, self.database, self.stage.data)
            if undisturbed is not None:
                found += invariants.of_outcome(self.cluster, self.database, self.stage.data, undisturbed)
            self.report.outcome = invariants.outcome(self.cluster, self.database, self.stage.data)
        except psycopg2.Error as error:
            found.append(f"the database cannot be asked: {error}")
        self.report.repeats = client.repeats

