"""The cases: every place of both roles, in every way that fits it, in every phase in which it can matter.

The outlet and the on-board charger are tried in sessions with AC, everything else in sessions with DC. Places are read from the tables of
``session.ports``, so that a new port or method is among them without being written down here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from iso15118.session import ports
from iso15118.session.port_checks import Kind

from .coroutines import ASKED_WAYS, CALLBACK_WAYS, TOLD_WAYS
from .values import READ_WAYS
from .ways import Way

__all__ = ["CALLBACK", "PHASES", "Case", "all_cases", "case_of", "sample"]

CALLBACK = "callback"
PHASES = (
    "before",
    "authorization",
    "cable check",
    "pre-charge",
    "closing",
    "charging",
    "stopping",
    "welding",
    "session stop",
    "ended",
    "idle",
)

AC = ("ac", "charger")
"""Ports that a session with direct current does not ask."""
ELSEWHERE = ("connection_device", "vehicle_position", "pad", "mobility", "receiver", "inverter")
"""Ports of services that neither kind of session here has: tests/aio/test_coupling.py and tests/aio/test_der.py."""
TABLES = {
    role: {port: wanted for port, wanted in table.items() if port not in (*AC, *ELSEWHERE)}
    for role, table in (("secc", ports._STATION), ("evcc", ports._VEHICLE))
}
DIRECT = ("power", "cable_check", "inlet")
"""Ports of which a session with alternating current has none."""
AC_TABLES = {
    role: {port: wanted for port, wanted in table.items() if port not in (*DIRECT, *ELSEWHERE)}
    for role, table in (("secc", ports._STATION), ("evcc", ports._VEHICLE))
}
AC_PHASES = tuple(phase for phase in PHASES if phase not in ("cable check", "pre-charge", "welding"))
CALLBACKS = {"secc": ("news", "observer", "connections"), "evcc": ("news", "observer", "connections")}

ONLY = {
    # What is used in a few phases, and the same whenever it begins to misbehave before.
    "power.pre_charge": ("before", "pre-charge"),
    "power.set_power": ("before", "closing", "charging", "stopping"),
    "ac.set_power": ("before", "closing", "charging", "stopping"),
    "charger.set_power": ("before", "closing", "charging", "stopping"),
    "contactors.close": ("before", "pre-charge", "closing"),
    "cable_check.run": ("before", "cable check"),
    "authorizer.authorize": ("before", "authorization"),
    "meter.read": ("before", "charging", "ended"),
    "energy.listen": ("before",),
    "signal.listen": ("before",),
    "energy.needs": ("before", "charging"),
    "battery.limits": ("before",),
    "contracts.present": ("before",),
    "contract_authorizer.trust": ("before",),
    "value_added.services": ("before",),
    "callback.connections": ("before", "charging", "ended"),
}
NOT_HERE = {
    # Asked for with a contract only, which needs TLS: tests/aio/test_contract_ports.py.
    "contract_authorizer.authorize_contract",
    "contract_certificates.certificate_installation",
    "contracts.store",
}
WAYS = {Kind.ASKED: ASKED_WAYS, Kind.TOLD: TOLD_WAYS, Kind.READ: READ_WAYS}


@dataclass(frozen=True)
class Case:
    """``role`` misbehaves at ``place`` in this ``way`` from ``phase`` on."""

    role: str
    place: str
    kind: Kind | None
    """None: a callback."""
    way: Way
    phase: str

    @property
    def alternating(self) -> bool:
        """It is tried in a session with AC: an outlet and an on-board charger misbehave there."""
        return self.place.split(".")[0] in AC

    def __str__(self) -> str:
        return f"{self.role}:{self.place}:{self.way.name}:{self.phase}"


def _phases(role: str, place: str) -> tuple[str, ...]:
    phases = ONLY.get(place, AC_PHASES if place.split(".")[0] in AC else PHASES)
    return phases if role == "secc" else tuple(phase for phase in phases if phase != "idle")


def all_cases(roles: tuple[str, ...] = ("secc", "evcc")) -> Iterator[Case]:
    """All of them, in a fixed order."""
    for role in roles:
        alternating = {port: wanted for port, wanted in AC_TABLES[role].items() if port in AC}
        for port, attributes in (TABLES[role] | alternating).items():
            for attribute, kind in attributes.items():
                place = f"{port}.{attribute}"
                if place in NOT_HERE:
                    continue
                for way in WAYS[kind]:
                    for phase in _phases(role, place):
                        yield Case(role, place, kind, way, phase)
        for name in CALLBACKS[role]:
            place = f"{CALLBACK}.{name}"
            for way in CALLBACK_WAYS:
                for phase in _phases(role, place):
                    yield Case(role, place, None, way, phase)


def case_of(line: str) -> Case:
    """The case that a line names, as it was printed."""
    for case in all_cases():
        if str(case) == line:
            return case
    raise SystemExit(f"no case is called {line!r}")


def sample(cases: list[Case], count: int, seed: int) -> list[Case]:
    """So many of them: each place and each way at least once as far as that goes, the rest by chance."""
    chance = random.Random(seed)
    shuffled = chance.sample(cases, len(cases))
    seen: set[object] = set()
    first = []
    for case in shuffled:
        new = {(case.role, case.place), (case.kind, case.way.name)} - seen
        if new:
            seen |= new
            first.append(case)
    chosen = set(first[:count])
    rest = [case for case in shuffled if case not in chosen]
    return [*first[:count], *rest[: max(count - len(first), 0)]]
