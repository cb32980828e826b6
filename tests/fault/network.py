"""Cut-offs between network namespaces; network.sh makes these and runs this in the one where the database is."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from actors import Actor, Stage
from cluster import ROOT, Cluster
from schedule import Fault, Schedule
from suite import WORST_S, judge_recovery, migrate, tell
from trial import Trial, settings

HUB = "198.18.0.1"
HOSTS = {"server": "198.18.0.2", "one": "198.18.0.3", "two": "198.18.0.4"}
PORT = 8080
CUT_S = 60.0
COMES_BACK_S = 20.0

# Who is cut off, and whether every packet vanishes or the cable is out.
SHORT = [("drop", "one")]
LONG = [("unplug", "two"), ("drop", "server"), ("unplug", "server")]


class Network(Stage):
    """A server without a worker of its own, and two workers, each in its namespace."""

    def __init__(self, program, folder, url, names, given, mark):
        super().__init__(folder, given, mark)
        self.names = names
        self.environment |= {"DATABASE_URL": url, "QUENCHD_NO_WORKER": "yes", "QUENCHD_LISTEN": f"{HOSTS['server']}:{PORT}"}
        made = subprocess.run([program, "token", "create", "--name", "clients", "--scope", "submit"], env=self.environment, check=True,
                              capture_output=True, text=True)
        token = next(word for word in made.stdout.split() if len(word) >= 32)
        self.address = (HOSTS["server"], PORT, token)
        self.actors = tuple(
            Actor(host, [program, "serve" if host == "server" else "work"], self.environment | {"QUENCHD_WORKER_NAME": host},
                  self.folder / f"{host}.log", prefix=self.within(host)) for host in HOSTS)

    def within(self, host):
        return ["ip", "netns", "exec", f"{self.names}-{host}"]

    def cut(self, kind, host, on):
        if kind == "unplug":
            commands = [["ip", "-n", f"{self.names}-{host}", "link", "set", "eth0", "down" if on else "up"]]
        else:
            commands = [[*self.within(host), "iptables", "-A" if on else "-D", chain, "-j", "DROP"] for chain in ("INPUT", "OUTPUT")]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)


class CutOff(Trial):
    names = ""

    def _build(self):
        self.proxies = {}
        url = f"postgresql://quenchd@{HUB}:{self.cluster.port}/{self.database}?sslmode=disable&gssencmode=disable"
        self.stage = Network(self.program, self.folder, url, self.names, settings(self.schedule), self.database)

    def _job_processes(self):
        return False

    def _apply(self, fault, struck):
        self.stage.cut(fault.kind, fault.target, True)
        struck()
        self.over.wait(fault.lasts)
        self.stage.cut(fault.kind, fault.target, False)
        # It must be let back in, and have its chance to store what it computed meanwhile.
        if fault.target != "server":
            self._until(lambda: self.cluster.rows(self.database, "SELECT count(*) FROM workers WHERE name = %s AND seen_at > now() -"
                                                  " interval '3 s'", fault.target)[0][0] == 1, COMES_BACK_S,
                        f"{fault.target} has not come back {COMES_BACK_S:g} s after the end of the cut")
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "test" / "quenchd")
    parser.add_argument("--names", required=True)
    parser.add_argument("--long", action="store_true", default=bool(os.environ.get("QN_TEST_LONG")))
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CutOff.names = given.names
    program = given.program.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quenchd-network."))
    folder.chmod(0o711)
    cluster = None
    reports = []
    began = time.monotonic()
    try:
        cluster = Cluster(folder / "cluster", f"listen_addresses={HUB}")
        with open(cluster.folder / "data" / "pg_hba.conf", "a") as rules:
            rules.write("host all quenchd 198.18.0.0/24 trust\n")
        cluster.rows("quenchd", "SELECT pg_reload_conf()")
        migrate(program, cluster, folder)
        undisturbed = CutOff(Schedule(0, "undisturbed network", ()), cluster, program, folder / "undisturbed").run(None, given.keep)
        reports.append(undisturbed)
        tell(undisturbed)
        for number, (kind, host) in enumerate(SHORT + LONG if given.long else SHORT):
            schedule = Schedule(-1, f"{kind} {host}", (Fault(0.9, kind, host, CUT_S),))
            reports.append(CutOff(schedule, cluster, program, folder / str(number)).run(undisturbed.outcome, given.keep))
            tell(reports[-1])
    finally:
        if cluster:
            cluster.stop()
        if given.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    failed = sum(bool(report.violations) for report in reports)
    # The one that is cut off cannot be reached before the cut ends; nobody else may wait for it.
    failed += judge_recovery([time for report in reports for time in report.times if not time[0].endswith("server, a POST")],
                             "one host cut off for a minute, default leases (10 s)", WORST_S)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{len(reports) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
