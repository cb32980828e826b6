"""A PostgreSQL cluster of a lane's own, and what can befall it. It is reached here by its Unix socket, past every proxy."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.parse

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "server" / "cluster.sh"
OBSERVER = "observer"  # the application_name of this suite's own connections: no fault aims at them


class Cluster:
    """Made and started at once; `database` is where the schedules' databases are copied from."""

    def __init__(self, folder, *settings):
        self.folder = pathlib.Path(folder)
        # What was written survives the death of any process without fsync; only a loss of power needs it.
        self.settings = ("fsync=off", "max_connections=120", *settings)
        self.changing = threading.Lock()  # one start or stop at a time, however the faults overlap
        self.downs = 0  # how many faults keep it down at this moment
        self.url = self.start()
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.url).query)
        self.socket = os.path.join(query["host"][0], f".s.PGSQL.{query['port'][0]}")
        self.host, self.port = query["host"][0], query["port"][0]

    def _script(self, verb, *settings):
        done = subprocess.run(["sh", SCRIPT, verb, self.folder, *settings], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    def start(self):
        for _ in range(40):  # backends of a killed postmaster may hold its shared memory a moment longer
            url = self._script("start", *self.settings)
            if url:
                return url
            time.sleep(0.25)
        raise RuntimeError(f"PostgreSQL in {self.folder} does not start")

    def stop(self):
        self._script("stop")

    # ---- asking ----

    @contextlib.contextmanager
    def connect(self, database="quenchd"):
        connection = psycopg2.connect(host=self.host, port=self.port, user="quenchd", dbname=database, application_name=OBSERVER,
                                      connect_timeout=4, options="-c statement_timeout=20s")
        try:
            connection.autocommit = True
            yield connection.cursor()
        finally:
            connection.close()

    def rows(self, database, sql, *parameters):
        with self.connect(database) as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()

    def execute(self, sql):
        with self.connect("postgres") as cursor:
            cursor.execute(sql)

    # ---- faults ----

    def postmaster(self):
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def kill(self):
        """kill -9 of the postmaster and all its children, and up again."""
        with self.changing:
            if self.downs:
                return False
            # The postmaster stands first, so that it forks no more; the last of its children may wait for a lock of the dead.
            postmaster = self.postmaster()
            send(postmaster, signal.SIGSTOP)
            while stat(postmaster)[0] not in "TZX":
                time.sleep(0.001)
            members = {postmaster, *children(postmaster)}
            for pid in members:
                send(pid, signal.SIGKILL)
            while members & processes().keys():
                time.sleep(0.01)
            self.start()
            return True

    def down(self, pause):
        """Down in an orderly way for as long as `pause()` takes."""
        with self.changing:
            self.downs += 1
            self.stop()
        try:
            pause()
        finally:
            with self.changing:
                self.downs -= 1
                if not self.downs:
                    self.start()

    def backends(self, database):
        """Process ids of the connections that quenchd has, those inside a transaction first."""
        try:
            return [pid for pid, in self.rows(
                "postgres", "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name <> %s"
                " ORDER BY xact_start IS NULL, application_name, backend_start", database, OBSERVER)]
        except psycopg2.Error:
            return []

    def choose_backend(self, database, luck):
        """One of them (or none, as a list), by a number from 0 to 1: half the luck goes to the first, in a transaction when there is one."""
        pids = self.backends(database)
        place = 0 if luck < 0.5 else int((2 * luck - 1) * len(pids))
        return pids[place:place + 1]

    def terminate(self, database):
        """pg_terminate_backend of everyone."""
        try:
            return self.rows("postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
                             " AND application_name <> %s", database, OBSERVER)[0][0]
        except psycopg2.Error:
            return 0


# ---- processes ----

def send(pid, number):
    """False when there is no such process."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def stat(pid):
    """(state, parent) of a process: the letter of /proc, "T" for one that stands, "X" when there is none."""
    try:
        letter, parent = pathlib.Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[:2]
        return letter, int(parent)
    except OSError:
        return "X", 0


def processes():
    """{process: its parent} of every live process; one that has ended and was not waited for is not alive."""
    found = {int(entry): stat(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    return {pid: parent for pid, (letter, parent) in found.items() if letter not in "ZX"}


def children(pid):
    return sorted(child for child, parent in processes().items() if parent == pid)


def marked(mark):
    """Live processes whose environment holds `mark`: what a schedule started, whoever adopted it since."""
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):
            if mark.encode() in pathlib.Path("/proc", str(pid), "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found
