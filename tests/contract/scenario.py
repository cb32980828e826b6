"""A small history for the suites that need one: a finished simulation with its analyses, and the names of all of it."""

import http.client
import json
import os
import random
import time
import urllib.parse

import contract

URL = urllib.parse.urlsplit(os.environ["QUENCHD_URL"])

SPEC = {
    "name": "contract",
    "potential": "mendelev-2009-cuzr",
    "initial": {"type": "lattice", "structure": "fcc", "cells": [5, 5, 5], "composition": {"Cu": 0.5, "Zr": 0.5}},
    "seed": 7,
    "timestep_fs": 2,
    "stages": [
        {"type": "hold", "ensemble": "npt", "temperature_k": 2000, "duration_ps": 0.1},
        {"type": "hold", "ensemble": "nvt", "temperature_k": 2000, "volume": "mean", "duration_ps": 0.4,
         "sample_every_ps": 0.01, "snapshot": True},
    ],
    "analyses": [{"type": "diffusion"}, {"type": "relaxation"}],
}
FIT = {"law": "arrhenius", "unit": "m2/s", "quantity": "diffusion_coefficient", "species": "Cu", "composition": "Cu50Zr50", "region": "bulk",
       "points": [{"temperature_k": t, "value": v, "standard_error": 1e-11} for t, v in ((1200, 1.1e-9), (1350, 1.9e-9), (1500, 3.0e-9))]}
LONG = {**SPEC, "name": "never ends", "seed": 8, "analyses": [],
        "stages": [{"type": "hold", "ensemble": "nve", "temperature_k": 300, "duration_ps": 100000}]}


def fetch(path, method="GET", body=None, headers=None, limit=None, seconds=60):
    """(status, headers, body) of one request; of a stream, what came within `limit` bytes and `seconds`."""
    connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=seconds)
    try:
        try:
            connection.request(method, path, body=body, headers=headers or {})
        except (BrokenPipeError, ConnectionResetError):
            pass  # a body that is refused before it has ended; the answer has come all the same
        response = connection.getresponse()
        data = b""
        end = time.monotonic() + seconds
        try:
            while (limit is None or len(data) < limit) and time.monotonic() < end:
                piece = response.read1(65536)
                if not piece:
                    break
                data += piece
        except TimeoutError:
            pass
        return response.status, response.headers, data
    finally:
        connection.close()


def live():
    return fetch("/livez")[0] == 200


def get(path):
    status, _, body = fetch(path)
    assert status == 200, f"GET {path}: {status} {body[:300]!r}"
    return json.loads(body)


def post(path, value):
    status, headers, body = fetch(path, "POST", json.dumps(value), {"Content-Type": "application/json"})
    assert status < 300, f"POST {path}: {status} {body[:500]!r}"
    return status, headers, json.loads(body)


def wait(job, states, seconds=300):
    """The job once its state is one of `states`."""
    end = time.monotonic() + seconds
    while True:
        row = get(f"/v1/jobs/{job}")
        if row["state"] in states:
            return row
        assert row["state"] not in ("failed", "cancelled"), f"job {job}: {row}"
        assert time.monotonic() < end, f"job {job} is {row['state']} after {seconds} s"
        time.sleep(0.2)


def prepare():
    """Runs SPEC and its analyses to their end; returns what {id} or {name} stands for below each collection."""
    submitted = post("/v1/simulations", SPEC)[2]
    simulation = submitted["id"]
    wait(submitted["job"], ("succeeded",))
    analyses = get(f"/v1/analyses?simulation={simulation}")["items"]
    for analysis in analyses:
        wait(analysis["job"], ("succeeded",))
    fit = post("/v1/fits", FIT)[2]
    wait(fit["job"], ("succeeded",))
    return {
        "fits": fit["id"],
        "potentials": SPEC["potential"],
        "simulations": simulation,
        "jobs": submitted["job"],
        "analyses": analyses[0]["id"],
        "trajectories": get(f"/v1/trajectories?simulation={simulation}")["items"][0]["id"],
        "structures": get(f"/v1/structures?simulation={simulation}")["items"][0]["id"],
        "tokens": 987654321,  # there is none: the server runs open
    }


def dump(frames=40, atoms=64, edge=12.0):
    """A LAMMPS dump of atoms that walk at random, types 1 and 2."""
    chance = random.Random(5)
    at = [[chance.uniform(0, edge) for _ in range(3)] for _ in range(atoms)]
    lines = []
    for frame in range(frames):
        lines += ["ITEM: TIMESTEP", str(25 * frame), "ITEM: NUMBER OF ATOMS", str(atoms), "ITEM: BOX BOUNDS pp pp pp", *[f"0 {edge}"] * 3,
                  "ITEM: ATOMS id type xu yu zu"]
        lines += [f"{i + 1} {1 + i % 2} {x:.4f} {y:.4f} {z:.4f}" for i, (x, y, z) in enumerate(at)]
        at = [[x + chance.gauss(0, 0.3) for x in r] for r in at]
    return ("\n".join(lines) + "\n").encode()


def fill(path, names):
    """`path` with its {names} filled in from what prepare() returned."""
    collection = path.split("/")[2] if path.startswith("/v1/") and path.count("/") > 2 else ""
    for name in contract.path_names(path):
        path = path.replace("{" + name + "}", urllib.parse.quote(str(names[collection])))
    return path
