"""Sessions of the older editions and of AC with foreign stacks: which there are, and when one went well."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

__all__ = ["CASES", "Case", "Outcome"]


@dataclass(frozen=True)
class Case:
    """One session. ``stack``: whose; ``peer``: the role of the other stack."""

    stack: str
    peer: str
    edition: str
    """``iso20``, ``iso2`` or ``din``."""
    service: str = "dc"
    auth: str = "eim"
    """``eim``, ``pnc``, or ``install``: by contract, which the vehicle gets in the session."""
    transport: str = "tcp"
    """``tcp`` or ``tls``."""
    asks: str = ""
    """``ReNegotiation`` or ``StopCharging``: what the peer as station says once in mid-loop."""
    expected: str = "ok"
    """``end_reason`` of our side where the session cannot succeed; ``remark`` says why."""
    flows: bool = True
    """Energy does; not with a peer whose figures leave none, see ``remark``."""
    remark: str = ""

    @property
    def name(self) -> str:
        parts = (self.stack, self.peer, self.edition, self.service, self.auth, self.transport)
        return "-".join((*parts, self.asks) if self.asks else parts)

    @property
    def tls(self) -> bool:
        return self.transport == "tls"

    @property
    def contract(self) -> bool:
        return self.auth != "eim"


ROLES = ("evcc", "secc")

_RISE_EVCC = "negotiates anew after half of its loops; asks for the voltage of its own pre-charge, so that nothing flows"
_RISE_SECC = "its least current is 16 A, so that the battery stops a little short of its target"

CASES = [
    *(Case("josev", peer, *what) for what, peer in product((("din",), ("iso2",)), ROLES)),
    *(
        Case("josev", peer, "iso2", auth=auth, transport="tls")
        for auth, peer in product(("eim", "pnc", "install"), ROLES)
    ),
    *(Case("josev", peer, "iso2", "ac", "eim") for peer in ROLES),
    *(
        Case("josev", peer, "iso2", "ac", auth, "tls")
        for auth, peer in product(("eim", "pnc", "install"), ROLES)
    ),
    *(Case("josev", peer, "iso20", "ac") for peer in ROLES),
    *(
        Case(
            "josev", "secc", "iso2", service, asks=asks, expected=expected, remark=f"says {asks} in mid-loop"
        )
        for service in ("dc", "ac")
        for asks, expected in (("ReNegotiation", "ok"), ("StopCharging", "STOPPED_BY_STATION"))
    ),
    *(Case(stack, peer, "iso2", "ac") for stack in ("crate", "rise") for peer in ROLES),
    *(Case("crate", peer, "iso20", "ac") for peer in ROLES),
    *(Case("rise", peer, "iso2", "ac", "pnc", "tls") for peer in ROLES),
    Case("crate", "evcc", "iso2", flows=False, remark="its five loops are over before any power is up"),
    Case("crate", "secc", "iso2"),
    *(
        Case(
            "crate",
            "evcc",
            "iso2",
            auth=auth,
            transport="tls",
            flows=False,
            remark="TLS by socat; five loops",
        )
        for auth in ("eim", "pnc")
    ),
    Case("rise", "evcc", "iso2", flows=False, remark=_RISE_EVCC),
    Case("rise", "secc", "iso2", remark=_RISE_SECC),
    *(
        case
        for auth in ("eim", "pnc", "install")
        for case in (
            Case("rise", "evcc", "iso2", auth=auth, transport="tls", flows=False, remark=_RISE_EVCC),
            Case("rise", "secc", "iso2", auth=auth, transport="tls", remark=_RISE_SECC),
        )
    ),
]


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    seconds: float = 0.0
    ours: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """What the peer found wrong."""
    problem: str = ""
    attempt: int = 1

    @property
    def good(self) -> bool:
        case, ours = self.case, self.ours
        if self.problem or ours.get("safe") is not True:
            return False
        if case.expected != "ok":
            return bool(ours.get("end_reason") == case.expected)
        return (
            ours.get("end_reason") == "STOPPED_BY_EV"
            and ours.get("charge_loops", 0) > 0
            and (ours.get("energy_charged_kwh", 0.0) > 0.0) is case.flows
            and (ours.get("tls") is not None) is case.tls
            and bool(ours.get("emaid")) is case.contract
            and (ours.get("contracts_installed", 0) > 0) is (case.auth == "install" and case.peer == "secc")
        )
