"""From a seed to faults: what happens when to whom. The same seed is the same schedule, always."""

import dataclasses
import random

from proxy import ANY, COMMIT

# "inner" is the worker that the server supervises, "owner" the one of the two that runs a job which will end at that moment. On the side of
# the server's proxy there is "inner" too.
PROCESSES = ("server", "inner", "worker", "owner")
SIDES = ("server", "worker", "owner")


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float            # s after the first job was posted
    kind: str
    target: str = ""
    lasts: float = 0.0   # s
    luck: float = 0.0    # 0 to 1: which one, where there are several at the time

    def __str__(self):
        return f"{self.at:.2f} s {self.label}" + (f" for {self.lasts:.1f} s" if self.lasts else "")

    @property
    def label(self):
        return f"{self.kind} {self.target}".strip()


@dataclasses.dataclass(frozen=True)
class Schedule:
    seed: int
    name: str
    faults: tuple
    lease_s: float | None = None  # None: the program's own default

    def __str__(self):
        return f"{self.name}: " + "; ".join(map(str, self.faults))


# Every kind of fault, whom it may hit, how likely it is, and how long it lasts in leases (or, of bytes that vanish, in seconds).
KINDS = [
    # kind          targets                   weight  lasts
    ("kill -9",     (*PROCESSES, "job"),      6,      None),
    ("kill -9",     ("postmaster",),          2,      None),
    ("kill -9",     ("backend",),             2,      None),
    ("freeze",      (*PROCESSES, "job"),      4,      (1.2, 2.5)),
    ("freeze",      ("backend",),             2,      (1.2, 2.5)),
    ("terminate",   ("backends",),            2,      None),
    ("reset",       SIDES,                    2,      (0.0, 2.5)),
    ("swallow",     SIDES,                    4,      (1.5, 4.0)),
    ("delay",       SIDES,                    1,      (0.5, 3.0)),
    ("cut commit",  SIDES,                    4,      None),
    ("cut answer",  SIDES,                    2,      None),
    ("down",        ("postgresql",),          2,      (2.0, 2.0)),
    ("drain",       ("server", "worker"),     3,      None),
]
WEIGHTS = [weight for _, _, weight, _ in KINDS]
CUTS = {"cut commit": COMMIT, "cut answer": ANY}
PROXIED = ("reset", "swallow", "delay", *CUTS)

SHORT_LEASE_S = 2.0
SPAN_S = 4.0  # faults begin within this time; the work takes a little longer


def at_random(seed):
    """One to six faults, which may overlap, on leases short enough for hundreds of schedules."""
    dice = random.Random(f"quenchd faults {seed}")
    faults = []
    for _ in range(dice.randint(1, 6)):
        kind, targets, _, leases = dice.choices(KINDS, WEIGHTS)[0]
        lasts = SHORT_LEASE_S * dice.uniform(*leases) if leases else 0.0
        faults.append(Fault(round(dice.uniform(0.2, SPAN_S), 2), kind, dice.choice(targets), round(lasts, 2), round(dice.random(), 3)))
    return Schedule(seed, f"seed {seed}", tuple(sorted(faults, key=lambda fault: fault.at)), SHORT_LEASE_S)


DEFAULT_LEASE_S = 10.0
SWALLOW_S = 20.0


def drills():
    """Each kind of fault alone, on the program's default leases: what the promise of 30 s is measured on."""
    alone = [("kill -9", target, 0) for target in ("server", "owner", "job", "postmaster", "backend")]
    alone += [("freeze", target, 1.3 * DEFAULT_LEASE_S) for target in ("server", "owner", "job", "backend")]
    alone += [("terminate", "backends", 0), ("reset", "server", 3), ("reset", "owner", 3)]
    alone += [("swallow", side, SWALLOW_S) for side in ("server", "owner")]
    alone += [(cut, "owner", 0) for cut in CUTS]
    alone += [("down", "postgresql", 2 * DEFAULT_LEASE_S), ("drain", "server", 0), ("drain", "worker", 0)]
    return [Schedule(-number, f"drill {number}", (Fault(0.9, kind, target, lasts),)) for number, (kind, target, lasts) in enumerate(alone, 1)]
