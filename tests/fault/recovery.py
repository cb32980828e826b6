"""How long it takes until work goes on after a fault, as seen in the database, past every proxy."""

import dataclasses
import threading
import time

import psycopg2

from workload import FINAL

LOOK_S = 0.04


@dataclasses.dataclass(frozen=True)
class Hit:
    """A fault that found someone. Recovery counts from its beginning, and only what happens after it took hold is a sign of recovery."""

    label: str
    began: float
    struck: float


class Watcher:
    """Looks at the jobs all the time. A job that ran when a fault came goes on when its progress passes what it was then, in an attempt that
    has been heard of since, or when it has ended."""

    SAMPLE = ("SELECT id, attempt, state, progress, state = 'running' AND lease_expires_at > clock_timestamp(),"
              " extract(epoch FROM clock_timestamp() - heartbeat_at) FROM jobs")

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.lock = threading.Lock()
        self.jobs = {}  # id: (attempt, state, progress, lives, monotonic time of its last heartbeat)
        self.waiting = []  # [hit, job, its progress then]
        self.times = []  # (fault label, seconds)
        self.asked = 0.0  # when the newest sample was asked for
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending.is_set():
            try:
                with self.cluster.connect(self.database) as cursor:
                    while not self.ending.wait(LOOK_S):
                        asked = time.monotonic()
                        cursor.execute(self.SAMPLE)
                        self._see(cursor.fetchall(), asked, time.monotonic())
            except psycopg2.Error:
                self.ending.wait(LOOK_S)

    def _see(self, rows, asked, now):
        with self.lock:
            self.asked = asked
            self.jobs = {job: (attempt, state, progress, lives, now - float(silent) if silent is not None else 0.0)
                         for job, attempt, state, progress, lives, silent in rows}
            still = []
            for hit, job, before in self.waiting:
                attempt, state, progress, lives, heard = self.jobs.get(job, (0, "gone", 0, False, 0.0))
                if state in FINAL or (lives and progress > before and heard > hit.struck):
                    self.times.append((hit.label, now - hit.began))
                else:
                    still.append((hit, job, before))
            self.waiting = still

    def fault(self, hit):
        """From now on the jobs that ran when this struck are waited for."""
        with self.lock:
            self.waiting += [(hit, job, progress) for job, (_, state, progress, _, _) in self.jobs.items() if state == "running"]

    def all_final(self, since=0.0):
        """Whether all jobs that were there at `since` (monotonic) have ended."""
        with self.lock:
            return self.asked >= since and bool(self.jobs) and all(state in FINAL for _, state, _, _, _ in self.jobs.values())

    def states(self):
        with self.lock:
            return {job: row[:4] for job, row in self.jobs.items()}

    def stop(self):
        self.ending.set()
        self.thread.join(25)


def table(times):
    """Lines of a table: by kind of fault how many recoveries there were, their median and the worst."""
    kinds = {}
    for label, seconds in times:
        kinds.setdefault(label, []).append(seconds)
    yield f"{'recovery after':40s} {'n':>5s} {'median':>8s} {'worst':>8s}"
    for label in sorted(kinds):
        found = sorted(kinds[label])
        yield f"{label:40s} {len(found):5d} {found[len(found) // 2]:6.2f} s {found[-1]:6.2f} s"
