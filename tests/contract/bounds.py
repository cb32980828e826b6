"""The bounds and words that openapi.yaml states for a spec are those that the program keeps: each value at a bound is taken,
each beyond it is refused at its place. No work is made: the potential of these specs does not exist."""

import copy
import json

import contract
import scenario

HOLD = {"type": "hold", "ensemble": "nvt", "temperature_k": 300, "duration_ps": 1, "sample_every_ps": 0.1}
BASE = {
    "potential": "no-such-potential",
    "initial": {"type": "lattice", "structure": "fcc", "cells": [8, 8, 8], "composition": {"Cu": 0.5, "Zr": 0.5}},
    "seed": 1,
    "stages": [HOLD],
    "analyses": [],
}
SNAPSHOT = {"type": "snapshot", "simulation": 1}
STRUCTURE = {"type": "structure", "structure": 1}
QUENCH = {"type": "quench", "to_k": 200, "step_k": 10, "rate_k_per_ns": 1000}


def variant(**changes):
    return {**copy.deepcopy(BASE), **changes}


def cases(document):
    """Yields (schema, base spec, pointer of the object that the schema describes)."""
    schemas = document["components"]["schemas"]
    yield schemas["SimulationSpec"], BASE, ""
    yield schemas["InitialLattice"], BASE, "/initial"
    yield schemas["InitialSnapshot"], variant(initial=SNAPSHOT), "/initial"
    yield schemas["InitialStructure"], variant(initial=STRUCTURE), "/initial"
    for ensemble in ("nve", "nvt", "npt"):
        yield schemas["Hold"], variant(stages=[{**HOLD, "ensemble": ensemble}]), "/stages/0"
    yield schemas["Quench"], variant(stages=[HOLD, QUENCH]), "/stages/1"
    yield schemas["Surface"], variant(stages=[HOLD, {"type": "surface"}]), "/stages/1"
    for name, schema in schemas.items():
        if name.startswith("analysis."):
            yield schema, variant(analyses=[{"type": name.removeprefix("analysis.")}]), "/analyses/0"


def put(spec, pointer, value):
    spec = copy.deepcopy(spec)
    at = spec
    *path, last = pointer[1:].split("/")
    for part in path:
        at = at[int(part)] if isinstance(at, list) else at[part]
    at[last] = value
    return spec


def fault(spec, pointer):
    """What the program says of the value at `pointer`; None when it takes it."""
    status, _, answer = scenario.fetch("/v1/simulations", "POST", json.dumps(spec), {"Content-Type": "application/json"})
    assert status == 422, (status, answer)
    for error in json.loads(answer)["errors"]:
        if error["pointer"] == pointer:
            return error["detail"]
    return None


def out_of_bounds(detail):
    return detail is not None and any(words in detail for words in ("must lie between", "must be ", "is not accepted"))


def check(document, tally):
    for schema, base, where in cases(document):
        for name, described in schema["properties"].items():
            pointer = f"{where}/{name}"
            described = contract.deref(document, {k: v for k, v in described.items() if k != "description"})
            unknown = fault(put(base, pointer, None), pointer) or ""
            if "unknown key" in unknown:  # of another ensemble
                continue
            kinds = described.get("type")
            for bound, beyond in (("minimum", lambda x: x - max(1, abs(x))), ("maximum", lambda x: x + max(1, abs(x)))):
                if bound in described and ("number" in kinds or "integer" in kinds):
                    edge = described[bound]
                    tally.check(not out_of_bounds(fault(put(base, pointer, edge), pointer)), f"{pointer} takes its {bound} {edge}")
                    tally.check(out_of_bounds(fault(put(base, pointer, beyond(edge)), pointer)), f"{pointer} refuses {beyond(edge)}")
            words = described.get("enum", [described["const"]] if "const" in described else [])
            for word in words:
                tally.check(not out_of_bounds(fault(put(base, pointer, word), pointer)), f"{pointer} takes {word}")
            if words:
                tally.check(out_of_bounds(fault(put(base, pointer, "no such word"), pointer)), f"{pointer} refuses other words")
            if kinds == "boolean":
                tally.check(not out_of_bounds(fault(put(base, pointer, True), pointer)), f"{pointer} takes true")
                tally.check(out_of_bounds(fault(put(base, pointer, 1), pointer)), f"{pointer} refuses 1")
        stranger = f"{where}/no_such_key"
        tally.check("unknown key" in (fault(put(base, stranger, 1), stranger) or ""), f"{where}: other keys are refused")
