"""A mix of work, and clients that insist on it: every POST carries an Idempotency-Key and is repeated until it is answered."""

import http.client
import json
import threading
import time

REQUEST_S = 6.0  # a client gives up a request after so long and sends it again
FINAL = ("succeeded", "failed", "cancelled")


def hold(temperature, duration, **more):
    return {"type": "hold", "ensemble": "nvt", "temperature_k": temperature, "duration_ps": duration, **more}


def simulation(name, seed, precision, stages, analyses=(), timestep=2, initial=None):
    """Every stage that matters ends in a snapshot: the hash of that file is the hash of the final coordinates, to the last bit."""
    spec = {"name": name, "potential": "mendelev-2009-cuzr", "seed": seed, "timestep_fs": timestep, "precision": precision,
            "initial": initial or {"type": "lattice", "structure": "fcc", "cells": [5, 5, 5], "composition": {"Cu": 0.5, "Zr": 0.5}},
            "stages": stages}
    return spec | ({"analyses": [{"type": kind} for kind in analyses]} if analyses else {})


# What an undisturbed machine makes of each, by name. 500 atoms, two or three seconds of one core all together.
ENDINGS = {"double": "succeeded", "fast": "succeeded", "child": "succeeded", "endless": "cancelled", "blowup": "failed"}
DOUBLE = simulation("double", 1, "double", [hold(2000, 0.1, snapshot=True), hold(2000, 0.9, sample_every_ps=0.01, snapshot=True)],
                    ("diffusion", "relaxation"))
FAST = simulation("fast", 2, "fast", [{**hold(2000, 0.6, snapshot=True), "ensemble": "npt"},
                                      hold(2000, 2.4, sample_every_ps=0.01, snapshot=True)], ("diffusion",))
ENDLESS = simulation("endless", 3, "fast", [hold(1500, 100000, sample_every_ps=1)])
# Atoms that are lost: at 20000 K they cross half an angstrom within ten femtoseconds.
BLOWUP = simulation("blowup", 4, "fast", [hold(2000, 2), hold(20000, 5, thermostat_ps=0.1, sample_every_ps=0.1)], ("diffusion",), timestep=10)


def child_of(parent):
    return simulation("child", 5, "fast", [hold(1800, 1.0, sample_every_ps=0.01, snapshot=True)], ("diffusion",),
                      initial={"type": "snapshot", "simulation": parent, "stage": 0})


class Client:
    """Speaks to a server that comes and goes. `address`: of the server, (host, port, token or None). `deadline`: monotonic time after
    which it despairs."""

    def __init__(self, address, deadline):
        self.address, self.deadline = address, deadline
        self.lock = threading.Lock()
        self.answers = {}  # Idempotency-Key: (path, body, answer)
        self.refused = []  # answers that repeating does not mend
        self.unanswered = []
        self.repeats = 0

    def once(self, method, path, body=None, key=None, seconds=REQUEST_S):
        """(status, answer), or None when none came."""
        host, port, token = self.address
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def insist(self, method, path, body=None, key=None, enough=lambda status: status < 300):
        """Until the answer is final: the status that `enough` accepts, or one that another try does not change."""
        while time.monotonic() < self.deadline:
            answer = self.once(method, path, body, key)
            if answer and enough(answer[0]):
                return answer[1]
            if answer and 400 <= answer[0] < 500 and answer[0] not in (409, 429):  # 409: the same key is being answered
                with self.lock:
                    self.refused.append(f"{method} {path}: {answer[0]} {answer[1]}")
                return None
            with self.lock:
                self.repeats += 1
            time.sleep(0.1)
        with self.lock:
            self.unanswered.append(f"{method} {path} {key or ''}")
        return None

    def post(self, key, path, body):
        answer = self.insist("POST", path, body, key)
        if answer:
            with self.lock:
                self.answers[key] = (path, body, answer)
        return answer


class Workload:
    """Clients at work at once; `answers` of the client, when all have ended, is what the laboratory was promised."""

    def __init__(self, address, deadline, endless_s):
        self.client = Client(address, deadline)
        self.endless_s = endless_s  # when that one is cancelled
        self.threads = [threading.Thread(target=task, daemon=True) for task in (self._double, self._fast, self._endless, self._blowup)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def busy(self):
        return any(thread.is_alive() for thread in self.threads)

    def _double(self):
        parent = self.client.post("double", "/v1/simulations", DOUBLE)
        if parent:
            self.client.post("child", "/v1/simulations", child_of(parent["id"]))
            # Someone else wants the same work under a key of their own, and one more analysis.
            self.client.post("double again", "/v1/simulations", DOUBLE)
            self.client.post("van hove", "/v1/analyses", {"simulation": parent["id"], "type": "van_hove"})

    def _fast(self):
        time.sleep(0.1)
        made = self.client.post("fast", "/v1/simulations", FAST)
        time.sleep(0.5)
        if made:
            self.client.post("relaxation", "/v1/analyses", {"simulation": made["id"], "type": "relaxation"})

    def _endless(self):
        made = self.client.post("endless", "/v1/simulations", ENDLESS)
        time.sleep(self.endless_s)
        if made:  # 409: it has ended already, by an earlier try
            self.client.insist("POST", f"/v1/jobs/{made['job']}/cancel", enough=lambda status: status < 300 or status == 409)

    def _blowup(self):
        time.sleep(0.2)
        self.client.post("blowup", "/v1/simulations", BLOWUP)

    def contradictions(self):
        """Every key asked once more: sentences about those that are not answered as before."""
        found = []
        for key, (path, body, first) in self.client.answers.items():
            again = self.client.insist("POST", path, body, key)
            if again is None or (again["id"], again["job"]) != (first["id"], first["job"]):
                found.append(f"key '{key}' was answered {first}, and now {again}")
        answers = {key: answer["id"] for key, (_, _, answer) in self.client.answers.items()}
        if answers.get("double") != answers.get("double again"):
            found.append(f"the same spec is two simulations: {answers}")
        return found


class Prober:
    """POSTs all the time, one after the other: when the server takes one again is how its recovery is measured. The first one starts the
    simulation that never ends, so that a worker is busy from the beginning."""

    PAUSE_S, PATIENCE_S = 0.1, 2.0

    def __init__(self, address):
        self.client = Client(address, 0)
        self.accepted = []  # (when it was sent, when it was answered)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending.wait(self.PAUSE_S):
            sent = time.monotonic()
            answer = self.client.once("POST", "/v1/simulations", ENDLESS, seconds=self.PATIENCE_S)
            if answer and answer[0] < 300:
                self.accepted.append((sent, time.monotonic()))

    def stop(self):
        self.ending.set()
        self.thread.join(2 * self.PATIENCE_S)

    def recovery(self, hit):
        """Seconds from a fault until a POST that was sent after it took hold was accepted; None when none was."""
        return next((answered - hit.began for sent, answered in self.accepted if sent >= hit.struck), None)
