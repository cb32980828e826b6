"""Melt, quench, measure in the bulk and at the surface, and compare with the paper; see run.sh."""

import json
import math
import os
import sys
import time
import urllib.parse
import urllib.request

URL = os.environ["QUENCHD_URL"]
KT = 8.617333262e-5  # eV/K
ATOMS, PAPER_ATOMS = 2048, 16384
LIQUID = (2000, 1600, 1300, 1100, 1000)  # K; where the paper's lines hold
COLD, GLASS = 900, 650
SIZE = (1 - ATOMS ** (-1 / 3)) / (1 - PAPER_ATOMS ** (-1 / 3))  # of D in a periodic box
# The paper's lines for D of a liquid, 2000 to 1000 K: ln of the prefactor (m2/s) and its error, eV and its error.
LINES = {"bulk": (-16.36, 0.06, 0.432, 0.007), "surface": (-16.48, 0.12, 0.365, 0.014)}
VFT = (8.2e-9, 572.0, 2.13)  # bulk D, 1000 to 700 K: m2/s, K, 1
SHARED = {"potential": "mendelev-2009-cuzr", "precision": "fast", "timestep_fs": 2, "seed": 7}
LAYER_A = 2.5


def ask(path, value=None):
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(URL + path, body, {"Content-Type": "application/json"} if body else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def submit(name, initial, stages, analyses=()):
    return ask("/v1/simulations", {**SHARED, "name": name, "initial": initial, "stages": stages, "analyses": list(analyses)})["id"]


def hold(temperature, duration, ensemble="nvt", **more):
    return {"type": "hold", "ensemble": ensemble, "temperature_k": temperature, "duration_ps": duration, **more}


def prepare():
    """The melt, quenched in steps to 1000 K, and on to the glass: snapshots by temperature, as starts of other simulations."""
    lattice = {"type": "lattice", "structure": "fcc", "cells": [8, 8, 8], "composition": {"Cu": 0.5, "Zr": 0.5}}
    melt = submit("melt", lattice, [hold(2000, 50, "npt", snapshot=True),
                                    {"type": "quench", "to_k": 1000, "step_k": 100, "rate_k_per_ns": 10000, "snapshot": True}])
    start = {"type": "snapshot", "simulation": melt, "stage": 1, "temperature_k": 1000}
    cold = submit("cold", start, [{"type": "quench", "to_k": 650, "step_k": 50, "rate_k_per_ns": 1400, "snapshot": True}])
    starts = {t: {"type": "snapshot", "simulation": melt, "stage": 1, "temperature_k": t} for t in LIQUID[1:]}
    starts[2000] = {"type": "snapshot", "simulation": melt, "stage": 0}
    return starts | {t: {"type": "snapshot", "simulation": cold, "stage": 0, "temperature_k": t} for t in (COLD, GLASS)}


# ps of production: D wants 16 times as long as its longest lag, which is twice the first at which the atoms are out of their cages and diffuse.
PRODUCTION = {"bulk": {2000: 60, 1600: 60, 1300: 110, 1100: 260, 1000: 600, COLD: 300, GLASS: 250},
              "surface": {1600: 60, 1300: 80, 1100: 110, 1000: 120, COLD: 250, GLASS: 200}}


def measure(temperature, start, surface):
    """One run at one temperature; frames fine enough for <u2> and F_s, and long enough for diffusion and jumps."""
    equilibrate = 50 if surface or temperature not in LIQUID else 20
    produce = PRODUCTION["surface" if surface else "bulk"][temperature]
    streams = [{"every_ps": 0.05, "duration_ps": 100}, {"every_ps": 1 if temperature == GLASS else 0.25}] if produce > 130 else [{"every_ps": 0.05}]
    layer = {"layer_a": LAYER_A} if surface else {}
    coarse = {"sampling": 1} if len(streams) > 1 else {}
    analyses = [{"type": kind, **layer, **coarse} for kind in ("diffusion", "relaxation", "non_gaussian")]
    analyses.append({"type": "debye_waller", **layer})
    if temperature not in LIQUID:
        analyses.append({"type": "cage_jumps", "window_ps": 50, **layer, **coarse})
    place = hold(temperature, 1, volume="mean")
    stages = [place, {"type": "surface"}, hold(temperature, equilibrate)] if surface else [place, hold(temperature, equilibrate)]
    return submit(f"{'surface' if surface else 'bulk'} {temperature} K", start, [*stages, hold(temperature, produce, sampling=streams)], analyses)


def wait():
    """Until nothing is left to do; those that failed end the whole."""
    began = time.monotonic()
    while True:
        jobs, after = [], None
        while True:
            page = ask("/v1/jobs?limit=200" + (f"&cursor={after}" if after else ""))
            jobs += page["items"]
            after = page["next"]
            if not after:
                break
        failed = [job for job in jobs if job["state"] in ("failed", "cancelled")]
        open_jobs = [job for job in jobs if job["state"] in ("blocked", "queued", "running")]
        if not open_jobs:
            return failed
        print(f"{time.monotonic() - began:5.0f} s: {len(jobs) - len(open_jobs)} of {len(jobs)} jobs have ended", file=sys.stderr, flush=True)
        time.sleep(15)


def results(simulation):
    """{(type, quantity): row} of one simulation, all species together."""
    rows = ask(f"/v1/results?simulation={simulation}&species=all&limit=200")["items"]
    return {(row["type"], row["quantity"]): row for row in rows}


def number(row, scale=1.0, digits=3):
    if not row or row["value"] is None:
        return "-" if not row else row["status"].replace("_", " ")
    text = f"{row['value'] * scale:.{digits}g}"
    if row["standard_error"]:
        text += f" +- {row['standard_error'] * scale:.1g}"
    return text + ("" if row["status"] == "ok" else " *")


def line(region, temperature):
    prefactor, _, energy, _ = LINES[region]
    return math.exp(prefactor - energy / (KT * temperature)) * (SIZE if region == "bulk" else 1.0)


def fit(region):
    """The Arrhenius line through the liquid's D, by the service."""
    query = {"quantity": "diffusion_coefficient", "type": "diffusion", "species": "all", "region": region}
    made = ask("/v1/fits", {"law": "arrhenius", "name": f"{region} liquid", "query": query, "temperature_min_k": min(LIQUID)})
    while ask(f"/v1/jobs/{made['job']}")["state"] not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.2)
    return {row["quantity"]: row for row in ask(f"/v1/results?fit={made['id']}&limit=50")["items"]}


def table(found):
    columns = (("D, 1e-9 m2/s", "diffusion", "diffusion_coefficient", 1e9), ("tau_alpha, ps", "relaxation", "relaxation_time", 1),
               ("alpha_2 peak", "non_gaussian", "non_gaussian_peak", 1), ("<u2>, A2", "debye_waller", "debye_waller_factor", 1),
               ("Gamma, 1/ns", "cage_jumps", "jump_rate_o2", 1), ("<l2>, A2", "cage_jumps", "mean_square_jump_length_o2", 1))
    print(f"{'':14}" + "".join(f"{title:>24}" for title, *_ in columns) + f"{'paper D x size':>18}")
    for region in LINES:
        for temperature in (*LIQUID, COLD, GLASS):
            rows = found.get((region, temperature), {})
            cells = "".join(f"{number(rows.get((kind, quantity)), scale):>24}" for _, kind, quantity, scale in columns)
            print(f"{region:8}{temperature:4} K" + cells + (f"{line(region, temperature) * 1e9:18.3f}" if temperature in LIQUID else ""))
    print("* : a value with the status that it was given in the results")


def good(row):
    return row is not None and row["value"] is not None and row["value"] > 0


def judge(found, fits):
    """(sentence, whether it holds)"""
    for temperature in LIQUID:
        row = found["bulk", temperature].get(("diffusion", "diffusion_coefficient"))
        if not good(row) or row["status"] != "ok":
            yield f"D of the bulk at {temperature} K is not known: {row and row['status']}", False
            continue
        off = math.log(row["value"] / line("bulk", temperature))
        error = math.hypot((row["standard_error"] or 0) / row["value"], LINES["bulk"][1])
        yield f"D of the bulk at {temperature} K is {math.exp(off):.3f} of the paper's line, +- {error:.3f}", abs(off) <= 2 * error
    for region, values in fits.items():
        energy = values.get("activation_energy")
        if energy is None:
            yield f"the liquid's D has an Arrhenius line ({region})", False
            continue
        _, _, paper, paper_error = LINES[region]
        error = math.hypot(energy["standard_error"], paper_error)
        yield (f"the {region} liquid's activation energy is {energy['value']:.3f} +- {energy['standard_error']:.3f} eV, the paper's {paper} +- {paper_error}",
               abs(energy["value"] - paper) <= 2 * error if region == "bulk" else energy["value"] > 0)
    for temperature in (COLD, GLASS):
        pair = [found[region, temperature] for region in ("bulk", "surface")]
        known = False
        for kind, quantity in (("diffusion", "diffusion_coefficient"), ("cage_jumps", "jump_diffusion_coefficient_o2")):
            bulk, surface = (rows.get((kind, quantity)) for rows in pair)
            if good(bulk) and good(surface):
                known = True
                ratio = surface["value"] / bulk["value"]
                yield f"D_s/D_b at {temperature} K ({kind}) is {ratio:.2f}", ratio > 1
        if not known:
            yield f"D_s/D_b at {temperature} K is known", False
    d0, t0, strength = VFT
    cold = found["bulk", COLD].get(("diffusion", "diffusion_coefficient"))
    if good(cold):
        print(f"for comparison: D of the bulk at {COLD} K is {cold['value'] / (SIZE * d0 * math.exp(-strength * t0 / (COLD - t0))):.2f} of the paper's VFT")


def main():
    began = time.monotonic()
    runs = {}
    starts = prepare()
    for temperature in (GLASS, COLD, *reversed(LIQUID)):
        for region, durations in PRODUCTION.items():
            if temperature in durations:  # no film of 33 A at 2000 K: it boils
                runs[region, temperature] = measure(temperature, starts[temperature], region == "surface")
    failed = wait()
    found = {key: results(simulation) for key, simulation in runs.items()}
    fits = {region: fit(region) for region in LINES}
    print(f"Cu50Zr50, {ATOMS} atoms, quenched at 1e13 K/s to 1000 K and 1.4e12 K/s to {GLASS} K; surface layers of {LAYER_A} A, method c; "
          f"{time.monotonic() - began:.0f} s")
    print(f"The paper: {PAPER_ATOMS} atoms, 1e9 K/s. The size takes its bulk D by {SIZE:.3f}; a quench as fast as this one leaves a looser glass.\n")
    table(found)
    print()
    verdicts = [(f"job {job['id']} {job['state']}: {job['error']}", False) for job in failed] + list(judge(found, fits))
    for sentence, holds in verdicts:
        print(("ok      " if holds else "FAILED  ") + sentence)
    with open(sys.argv[1], "w") as out:
        json.dump({"seconds": time.monotonic() - began, "verdicts": verdicts, "fits": fits,
                   "results": {f"{region} {temperature} K": list(rows.values()) for (region, temperature), rows in found.items()}}, out, indent=1)
    bad = sum(not holds for _, holds in verdicts)
    print(f"{len(verdicts) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
