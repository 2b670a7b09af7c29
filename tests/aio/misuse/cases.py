"""The cases: every place of both roles, in every way that fits it, in every phase in which it can matter.

Each port is tried in sessions of a service that needs it, everything else in sessions with DC
(``families``). Places are read from the tables of ``session.ports``, so that a new port or method is among
them without being written down here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from iso15118.session.port_checks import Kind

from .coroutines import ASKED_WAYS, CALLBACK_WAYS, TOLD_WAYS
from .families import TABLES, Family, family_of
from .values import READ_WAYS
from .ways import Way

__all__ = ["CALLBACK", "Case", "all_cases", "case_of", "sample"]

CALLBACK = "callback"
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
    "energy.schedules": ("before", "authorization", "charging"),
    "energy.display": ("before", "charging"),
    "energy.price_signers": ("before",),
    "energy.grid_code": ("before",),
    "pad.set_power": ("before", "pairing", "alignment", "charging", "stopping"),
    "receiver.set_power": ("before", "pairing", "alignment", "charging", "stopping"),
    "pad.id_code": ("before", "positioning", "pairing"),
    "connection_device.connect": ("before", "connecting"),
    "mobility.guide": ("before", "positioning", "connecting"),
    "inverter.abilities": ("before",),
    "inverter.follow": ("before", "closing", "charging", "stopping", "session stop", "ended"),
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
    def family(self) -> Family:
        """The plant in which it is tried."""
        return family_of(self.place)

    def __str__(self) -> str:
        return f"{self.role}:{self.place}:{self.way.name}:{self.phase}"


def _phases(role: str, place: str) -> tuple[str, ...]:
    phases = ONLY.get(place, family_of(place).phases)
    return phases if role == "secc" else tuple(phase for phase in phases if phase != "idle")


def all_cases(roles: tuple[str, ...] = ("secc", "evcc")) -> Iterator[Case]:
    """All of them, in a fixed order."""
    for role in roles:
        for port, attributes in TABLES[role].items():
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
