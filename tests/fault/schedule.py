"""From a seed to faults: what happens when to whom. The same seed is the same schedule, always."""

import dataclasses
import random

from proxy import ANY, COMMIT

# "inner" is the worker that the server supervises, "owner" the one of the two that runs a job which will end at that moment. On the side of
# the server's proxy there is "inner" too. "group" is the server's process group, as a terminal or an init system ends it.
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
    endless_s: float = 1.5        # when the job that never ends is cancelled
    harmless: bool = False        # no attempt may be lost to it: workers live and keep or hand back what they do

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
    ("drain",       ("server", "group", "worker"), 3,  None),
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
HAMMERED_S = 45.0


def drills():
    """Each kind of fault alone, on the program's default leases: what the promise of 30 s is measured on. And one that is no measure: a long
    job whose process dies again and again through no fault of its own, always with a new checkpoint and never a hundredth further."""
    alone = [("kill -9", target, 0, False) for target in ("server", "owner", "job")]
    alone += [("kill -9", target, 0, True) for target in ("postmaster", "backend")]
    alone += [("freeze", target, 1.3 * DEFAULT_LEASE_S, False) for target in ("server", "owner", "job", "backend")]
    alone += [("terminate", "backends", 0, True), ("reset", "server", 3, True), ("reset", "owner", 3, True)]
    alone += [("swallow", side, SWALLOW_S, False) for side in ("server", "owner")]
    alone += [("cut commit", "owner", 0, True), ("cut answer", "owner", 0, False)]
    alone += [("down", "postgresql", 2 * DEFAULT_LEASE_S, True)]
    alone += [("drain", target, 0, True) for target in ("server", "group", "worker")]
    found = [Schedule(-number, f"drill {number}", (Fault(0.9, kind, target, lasts),), harmless=harmless)
             for number, (kind, target, lasts, harmless) in enumerate(alone, 1)]
    return [*found, Schedule(-len(found) - 1, f"drill {len(found) + 1}", (Fault(0.5, "hammer", "endless"),), SHORT_LEASE_S, HAMMERED_S)]
