"""The fault suite: schedules on several lanes, each a PostgreSQL of its own, and the verdict over all of them. See run.sh."""

import argparse
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import recovery
from cluster import ROOT, Cluster
from schedule import Schedule, at_random, drills
from trial import Report, Trial

LOST_S = 600  # a lane that says nothing for so long has died
WORST_S = 30.0  # from a fault to work going on, with default leases, at most


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "test" / "quenchd")
    parser.add_argument("--schedules", type=int, help="random schedules; 20, and 200 with --long")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the next ones count up from it")
    parser.add_argument("--no-drills", action="store_true", help="without the fixed faults on default leases")
    parser.add_argument("--drill", type=int, action="append", help="only this of the fixed faults, and no random ones")
    parser.add_argument("--network", action="store_true", help="the cut-off in network namespaces as well, at the same time")
    parser.add_argument("--lanes", type=int, default=4, help="schedules at once")
    parser.add_argument("--long", action="store_true", default=bool(os.environ.get("QN_TEST_LONG")))
    parser.add_argument("--keep", action="store_true", help="keep logs and data of schedules that went wrong")
    given = parser.parse_args()
    if given.schedules is None:
        given.schedules = 0 if given.drill else 200 if given.long else 20
    return given


def migrate(program, cluster, data):
    subprocess.run([program, "migrate"], check=True, capture_output=True, stdin=subprocess.DEVNULL,
                   env=os.environ | {"DATABASE_URL": cluster.url, "QUENCHD_DATA_DIR": str(data)})


def lane(number, folder, program, keep, tasks, results):
    """A process that takes schedules until there are none; whatever ends it, its cluster is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = None
    try:
        cluster = Cluster(folder / f"cluster-{number}")
        migrate(program, cluster, folder / f"migrate-{number}")
        undisturbed = None
        while (task := tasks.get()) is not None:
            schedule, undisturbed = task
            trial = Trial(schedule, cluster, program, folder / schedule.name.replace(" ", "-"))
            try:
                report = trial.run(undisturbed, keep)
            except Exception:  # a fault of the suite, or of the machine, is no pass
                report = Report(schedule, [f"the suite itself failed:\n{traceback.format_exc()}"])
            results.put(report)
    except Exception:
        results.put(Report(Schedule(0, f"lane {number}", ()), [f"the lane cannot work:\n{traceback.format_exc()}"]))
    finally:
        if cluster:
            cluster.stop()


class Beside:
    """network.sh, at the same time: most of its minute it waits."""

    def __init__(self, program):
        self.process = subprocess.Popen(["sh", pathlib.Path(__file__).with_name("network.sh"), "--program", program],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)

    def verdict(self):
        """Prints what it said; gives how many passed and failed."""
        said = self.process.communicate(timeout=1200)[0]
        print(f"\n{said}", end="", flush=True)
        last = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, \d+ skipped)?", said.rstrip("\n").rpartition("\n")[2])
        return (int(last[1]), int(last[2])) if last else (0, 1)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


class Lanes:
    def __init__(self, count, folder, program, keep):
        context = multiprocessing.get_context("spawn")
        self.tasks, self.results = context.Queue(), context.Queue()
        self.processes = [context.Process(target=lane, args=(number, folder, program, keep, self.tasks, self.results))
                          for number in range(count)]
        for process in self.processes:
            process.start()

    def run(self, schedules, undisturbed):
        for schedule in schedules:
            self.tasks.put((schedule, undisturbed))
        for _ in schedules:
            yield self.results.get(timeout=LOST_S)

    def stop(self):
        for process in self.processes:
            self.tasks.put(None)
        for process in self.processes:
            process.join(30)
            if process.is_alive():
                process.terminate()
                process.join(30)


def tell(report):
    verdict = "ok" if not report.violations else "FAILED"
    print(f"{verdict:6s} {report.took:5.1f} s  {report.schedule}", flush=True)
    for fault in report.missed:
        print(f"         found nobody: {fault}")
    for violation in report.violations:
        print(f"         {violation}", flush=True)


def judge_recovery(times, what, limit):
    """Prints a table; gives how many failed."""
    if not times:
        return 0
    print(f"\n{what}")
    for line in recovery.table(times):
        print(line)
    ordered = sorted(seconds for _, seconds in times)
    print(f"{'all':40s} {len(ordered):5d} {ordered[len(ordered) // 2]:6.2f} s {ordered[-1]:6.2f} s")
    if limit is None or ordered[-1] <= limit:
        return 0
    print(f"FAILED: the worst may be {limit:g} s")
    return 1


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quenchd-fault."))
    folder.chmod(0o711)  # PostgreSQL, another user when this is root, has its folder inside
    lanes = beside = None
    reports = []
    began = time.monotonic()
    try:
        beside = Beside(given.program) if given.network else None
        lanes = Lanes(given.lanes, folder, given.program.resolve(), given.keep)
        first, = lanes.run([Schedule(0, "undisturbed", ())], None)
        tell(first)
        reports.append(first)
        if not first.violations:
            schedules = [] if given.no_drills else drills()
            if given.drill:
                schedules = [drill for drill in schedules if -drill.seed in given.drill]
            if not first.has_job_processes:
                print("no job has a process of its own: faults of such processes are left out")
                schedules = [drill for drill in schedules if drill.faults[0].target != "job"]
            schedules += [at_random(given.seed + number) for number in range(given.schedules)]
            print(f"{len(schedules)} schedules on {given.lanes} lanes; one alone: sh tests/fault/run.sh --no-drills --seed N --schedules 1,"
                  " or --drill N", flush=True)
            for report in lanes.run(schedules, first.outcome):
                tell(report)
                reports.append(report)
        good, bad = beside.verdict() if beside else (0, 0)
    finally:
        if lanes:
            lanes.stop()
        if beside:
            beside.stop()
        if given.keep and any(report.violations for report in reports):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)

    failed = sum(bool(report.violations) for report in reports)
    slow = judge_recovery([time for report in reports if report.schedule.seed < 0 and report.schedule.lease_s is None for time in report.times],
                          "one fault alone, default leases (10 s)", WORST_S)
    slow += judge_recovery([time for report in reports if report.schedule.seed > 0 for time in report.times],
                           "overlapping faults, leases of 2 s", None)
    print(f"\n{sum(len(report.schedule.faults) - len(report.missed) for report in reports)} faults,"
          f" {sum(report.repeats for report in reports)} requests repeated, {time.monotonic() - began:.0f} s")
    if any(report.violations for report in reports):
        print("failed: " + ", ".join(report.schedule.name for report in reports if report.violations))
    failed += slow + bad
    print(f"{len(reports) + 1 + good + bad - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
