"""Drives a server, wrk and a thousand event streams; see load.sh."""

import argparse
import contextlib
import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 200  # requests a second
STREAMS = 1000
JOBS = 100000
CLAIMS = 2000
LIMITS_MS = {"read": 20, "accepted POST": 50, "claim": 5}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def row(what, values_ms, limit, **more):
    return {"what": what, "n": len(values_ms), "p50_ms": percentile(values_ms, 0.5), "p99_ms": percentile(values_ms, 0.99),
            "worst_ms": max(values_ms), "limit_p99_ms": limit} | more


class Streams(threading.Thread):
    """Event streams of one job, all open at once, on one thread."""

    def __init__(self, address, path, count):
        super().__init__(daemon=True)
        self.address, self.path, self.count = address, path, count
        self.open = self.events = self.refused = self.ended = 0
        self.opened_s = None
        self.over = threading.Event()

    def run(self):
        chooser = selectors.DefaultSelector()
        began = time.monotonic()
        request = f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        for _ in range(self.count):
            stream = socket.create_connection(self.address, timeout=10)
            stream.sendall(request)
            stream.setblocking(False)
            chooser.register(stream, selectors.EVENT_READ, [False])
        while not self.over.is_set():
            for key, _ in chooser.select(0.2):
                data = key.fileobj.recv(65536)
                if not data:
                    self.ended += 1
                    chooser.unregister(key.fileobj)
                elif not key.data[0]:
                    key.data[0] = True
                    good = data.startswith(b"HTTP/1.1 200")
                    self.open += good
                    self.refused += not good
                    if self.open == self.count:
                        self.opened_s = time.monotonic() - began
                self.events += data.count(b"\ndata:")
        for key in list(chooser.get_map().values()):
            key.fileobj.close()


class Load:
    def __init__(self, build, folder, seconds):
        self.quenchd, self.claimer = build / "quenchd", build / "tests" / "bench_claim"
        self.folder, self.seconds = folder, seconds
        self.rows = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"

    @contextlib.contextmanager
    def service(self):
        """A database with its usual settings and a server with its own: workers on every core."""
        cluster = ["sh", ROOT / "server" / "cluster.sh"]
        database = subprocess.run([*cluster, "start", self.folder / "cluster"], check=True, capture_output=True, text=True).stdout.strip()
        self.environment = os.environ | {"DATABASE_URL": database, "QUENCHD_DATA_DIR": str(self.folder / "data"),
                                         "QUENCHD_LISTEN": self.url.removeprefix("http://"), "OMP_WAIT_POLICY": "passive"}
        server = None
        try:
            subprocess.run([self.quenchd, "migrate"], env=self.environment, check=True, capture_output=True)
            with open(self.folder / "log", "wb") as log:
                server = subprocess.Popen([self.quenchd, "serve"], env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            yield
        finally:
            if server:
                server.send_signal(signal.SIGTERM)
                try:
                    server.wait(30)
                except subprocess.TimeoutExpired:
                    server.kill()
            subprocess.run([*cluster, "stop", self.folder / "cluster"], capture_output=True)

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def until(self, true, seconds):
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, urllib.error.URLError):
                if true():
                    return
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s; the log ends with {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def sql(self, text, database="quenchd"):
        url = self.environment["DATABASE_URL"].replace("/quenchd?", f"/{database}?")
        return subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text], check=True, capture_output=True,
                              text=True).stdout.strip()

    # ---- what is measured ----

    def busy(self):
        """Simulations of 16384 atoms on every core, each for longer than the benchmark lasts."""
        for seed in range(os.cpu_count()):
            made = self.ask("/v1/simulations", {
                "name": "background", "potential": "mendelev-2009-cuzr", "seed": seed, "initial":
                {"type": "lattice", "structure": "fcc", "cells": [16, 16, 16], "composition": {"Cu": 0.5, "Zr": 0.5}},
                "stages": [{"type": "hold", "ensemble": "nvt", "temperature_k": 1000, "duration_ps": 1000, "sample_every_ps": 1}]})
            self.job, self.simulation = made["job"], made["id"]
        self.until(lambda: len(self.ask("/v1/jobs?state=running")["items"]) == os.cpu_count(), 60)
        time.sleep(3)  # the first lists are built, the cores are warm

    def drive(self, what, limit, path=None, first=0):
        """RATE requests a second, at random times on connections of their own."""
        connections = 20
        environment = self.environment | {"LOAD_RATE": str(RATE), "LOAD_CONNECTIONS": str(connections), "LOAD_FIRST": str(first)}
        if path:
            environment["LOAD_PATH"] = path
        done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{self.seconds}s", "-s", ROOT / "tests" / "bench" / "load.lua",
                               self.url], env=environment, check=True, capture_output=True, text=True)
        said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("JSON "))[5:])
        self.add({"what": what, "n": said["requests"], "p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"], "worst_ms": said["worst_ms"],
                  "limit_p99_ms": limit, "per_s": said["requests"] / said["seconds"], "wrong": said["other"] + said["errors"]})

    def reads(self, note=""):
        for path in ("/v1/jobs?limit=50", f"/v1/simulations/{self.simulation}", f"/v1/jobs/{self.job}", "/v1/results?limit=50"):
            self.drive(f"GET {path.replace(str(self.simulation), 'N')}{note}", LIMITS_MS["read"], path)

    def posts(self, first, note=""):
        self.drive(f"POST /v1/simulations{note}", LIMITS_MS["accepted POST"], first=first)

    def streams(self):
        streams = Streams(self.address, f"/v1/jobs/{self.job}/events", STREAMS)
        streams.start()
        self.until(lambda: streams.open + streams.refused + streams.ended >= STREAMS, 120)
        note = f", {streams.open} streams open"
        self.reads(note)
        self.posts(50_000_000, note)
        self.streams_seen = {"asked": STREAMS, "opened": streams.open, "opened_within_s": streams.opened_s, "ended_early": streams.ended,
                             "events": streams.events}
        streams.over.set()
        streams.join(10)

    def claims(self, note=""):
        """Claims from a table of finished and waiting jobs of twenty people, in a database of its own."""
        self.sql("CREATE DATABASE crowd")
        url = self.environment["DATABASE_URL"].replace("/quenchd?", "/crowd?")
        subprocess.run([self.quenchd, "migrate"], env=self.environment | {"DATABASE_URL": url}, check=True, capture_output=True)
        self.sql("ALTER TABLE jobs DISABLE TRIGGER jobs_changed;"
                 "INSERT INTO jobs (kind, state, priority, submitted_by, finished_at)"
                 " SELECT 'simulation', CASE WHEN n % 2 = 0 THEN 'queued'::job_state ELSE 'succeeded' END, n % 3, 'person ' || n % 20,"
                 f" CASE WHEN n % 2 = 1 THEN now() END FROM generate_series(1, {2 * JOBS}) n;"
                 "ALTER TABLE jobs ENABLE TRIGGER jobs_changed; ANALYZE jobs", "crowd")
        for what, limit, *verb in ((f"claim, {JOBS} jobs queued and as many done", LIMITS_MS["claim"]), ("for comparison: one row, committed", None, "commits")):
            done = subprocess.run([self.claimer, str(CLAIMS), *verb], env=self.environment | {"DATABASE_URL": url}, check=True, capture_output=True,
                                  text=True)
            self.add(row(what + note, [float(line) for line in done.stdout.split()], limit))
        self.sql("DROP DATABASE crowd")

    def add(self, found):
        self.rows.append(found)
        print(f"{found['what']:58s} {found['n']:6d} {found.get('per_s', 0):6.0f} {found['p50_ms']:8.2f} {found['p99_ms']:8.2f}"
              f" {found['worst_ms']:8.2f} {found['limit_p99_ms'] or '':>6} {found.get('wrong', 0):6d}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip() or "unknown"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quenchd-load."))
    folder.chmod(0o711)
    load = Load(given.build.resolve(), folder, given.seconds)
    began = os.getloadavg()[0]
    print(f"quenchd {commit}, {os.cpu_count()} cores, all of them computing but for the first row; load before: {began:.1f}\n")
    print(f"{'':58s} {'n':>6s} {'per s':>6s} {'p50 ms':>8s} {'p99 ms':>8s} {'worst':>8s} {'limit':>6s} {'wrong':>6s}", flush=True)
    try:
        with load.service():
            load.until(lambda: load.ask("/readyz"), 30)
            load.claims(", cores idle")
            load.busy()
            load.reads()
            load.posts(0)
            load.streams()
            load.claims()
            running = load.ask("/v1/jobs?state=running")["items"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    slow = [found["what"] for found in load.rows if found["limit_p99_ms"] and found["p99_ms"] > found["limit_p99_ms"] or found.get("wrong", 0) > 0]
    seen = load.streams_seen
    print(f"\nstreams: {seen['opened']} of {seen['asked']} open after {seen['opened_within_s'] or 0:.1f} s, {seen['ended_early']} ended early,"
          f" {seen['events']} events; {len(running)} simulations still run")
    if seen["opened"] < STREAMS or seen["ended_early"]:
        slow.append("streams")
    given.json.write_text(json.dumps({"commit": commit, "cores": os.cpu_count(), "load_before": began, "rows": load.rows, "streams": seen,
                                      "over_the_limit": slow}, indent=1) + "\n")
    print(f"{given.json}: " + (f"over the limit: {'; '.join(slow)}" if slow else "every limit is kept"))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
