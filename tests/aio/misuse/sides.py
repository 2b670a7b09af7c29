"""Both sides of a trial: every port behind a spy that notes when it is asked for what, and
misbehaves when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from iso15118.aio import EvccClient, PortLimits, SeccServer
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import ac, acdp, dc, wpt
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.port_checks import Kind

from .cases import CALLBACK, Case
from .families import ENERGISES, NOTHING_AT_ZERO, TABLES, Family

__all__ = ["LIMITS", "Hand", "Side"]

LIMITS = PortLimits(
    power_s=0.2,
    pre_charge_s=1.0,
    contactors_s=0.3,
    signal_s=0.2,
    meter_s=0.1,
    authorization_s=1.0,
    device_s=1.0,
    immobilize_s=0.3,
    look_s=0.01,
)
LIMIT_OF = {
    "power.pre_charge": LIMITS.pre_charge_s,
    "cable_check.run": 1.0,
    "authorizer.authorize": LIMITS.authorization_s,
}
PORT_LIMIT = {
    "power": LIMITS.power_s,
    "ac": LIMITS.power_s,
    "charger": LIMITS.power_s,
    "contactors": LIMITS.contactors_s,
    "signal": LIMITS.signal_s,
    "meter": LIMITS.meter_s,
    "connection_device": LIMITS.device_s,
    "mobility": LIMITS.immobilize_s,
}
STATES = {
    "Authorization": "authorization",
    "DC_CableCheck": "cable check",
    "DC_PreCharge": "pre-charge",
    "DC_WeldingDetection": "welding",
    "ACDP_VehiclePositioning": "positioning",
    "ACDP_Connect": "connecting",
    "ACDP_Disconnect": "disconnecting",
    "WPT_FinePositioningSetup": "positioning",
    "WPT_Pairing": "pairing",
    "WPT_AlignmentCheck": "alignment",
    "SessionStop": "session stop",
    # Of the older editions.
    "ContractAuthentication": "authorization",
    "CableCheck": "cable check",
    "PreCharge": "pre-charge",
    "WeldingDetection": "welding",
}
LOOP_ANSWERS = (
    dc.DCChargeLoopRes,
    ac.ACChargeLoopRes,
    wpt.WPTChargeLoopRes,
    iso2.CurrentDemandRes,
    iso2.ChargingStatusRes,
    din.CurrentDemandRes,
)
LOOPS_BEFORE, LOOPS = 3, 6
"""Of the charge loop: before a port turns bad in it, and before the vehicle ends it."""


class Hand:
    """What a port reaches of its program; not from within itself."""

    def __init__(self, owner: SeccServer | EvccClient, close: Callable[[], None], news: ev.Event) -> None:
        self._owner, self._close, self._news = owner, close, news
        self._inside = False

    def _once(self, call: Callable[[], None]) -> None:
        if self._inside:
            return
        self._inside = True
        try:
            call()
        finally:
            self._inside = False

    def stop(self) -> None:
        self._once(lambda: self._owner.stop("misuse"))

    def emergency(self) -> None:
        self._once(lambda: self._owner.emergency_shutdown("misuse"))

    def fault(self) -> None:
        self._once(lambda: self._owner.tell(ev.HardwareFault("misuse", "of a port")))

    def close(self) -> None:
        self._once(self._close)

    def news(self) -> None:
        """Each time, from within itself as well: a port that pushes whatever it is asked."""
        self._owner.tell(self._news)

    def limit_of(self, place: str) -> float:
        return LIMIT_OF.get(place) or PORT_LIMIT.get(place.split(".")[0], 0.2)


class Side:
    """One role of a trial. ``log``: what was asked for, and when."""

    def __init__(self, role: str, bundle: Any, case: Case | None, family: Family = Family.DC) -> None:
        self.role, self.case = role, case
        self.makes_safe = family.value.makes_safe[role]
        self.hand: Hand | None = None
        self.log: list[tuple[float, str]] = []
        self.hits: list[float] = []
        self.armed = False
        self.fault_at: float | None = None
        self.ended_at: float | None = None
        self.loops = 0
        self.enough: Callable[[], None] = lambda: None
        self.other: Side | None = None
        self._looked = 0
        self._loop = asyncio.get_running_loop()
        table = TABLES[role]
        parts = {f.name: getattr(bundle, f.name) for f in fields(bundle)} | extras(role)
        self.bundle = type(bundle)(
            **{
                name: None if part is None else Spy(self, part, name, table[name])
                for name, part in parts.items()
            }
        )
        self.log.clear()

    # -- the misbehaviour -----------------------------------------------------------------------------------

    def enter(self, phase: str) -> None:
        """The session of this side is in this phase now."""
        if self.case is not None and self.case.phase == phase:
            self.armed = True

    def cure(self) -> None:
        """All is well from now on."""
        self.armed, self.case = False, None

    def misuse(self, place: str) -> bool:
        """It misbehaves this time."""
        case = self.case
        if not self.armed or case is None or case.place != place:
            return False
        self._looked += 1
        way = case.way
        if not way.skip < self._looked <= way.skip + way.times:
            return False
        self.hits.append(self._loop.time())
        return True

    def look_up(self, real: Any, place: str, kind: Kind) -> Any:
        entry = (self._loop.time(), place)
        self.log.append(entry)
        attribute = getattr(real, place.split(".")[1])
        if place in NOTHING_AT_ZERO:
            attribute = self._unless_zero(attribute, entry)
        if self.case is not None and self.hand is not None and self.misuse(place):
            return self.case.way.make(attribute, self.hand, place)
        return attribute

    def _unless_zero(self, call: Callable[[float], Any], entry: tuple[float, str]) -> Callable[[float], Any]:
        """The same call, which is no entry in the log where it asks for nothing."""

        def called(power_w: float) -> Any:
            if power_w == 0.0 and entry in self.log:
                self.log.remove(entry)
            return call(power_w)

        return called

    def callback(self, name: str) -> Callable[..., None]:
        """One of the application's; it hears and says nothing unless it misbehaves."""
        place = f"{CALLBACK}.{name}"

        def call(*values: Any) -> None:
            if self.case is not None and self.hand is not None and self.misuse(place):
                self.case.way.make(lambda *_: None, self.hand, place)(*values)

        return call

    # -- what the session does
    # --------------------------------------------------------------------------------

    def watch(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """See in which phase it is, and when it heard of a fault or ended."""
        if type(event) is ev.HardwareFault and self.fault_at is None:
            self.fault_at = now
        for action in actions:
            if isinstance(action, act.StateEntered) and action.state in STATES:
                self.enter(STATES[action.state])
            elif isinstance(action, act.Send) and type(action.message) is acdp.ACDPVehiclePositioningRes:
                self.enter("positioning")  # at a station that is no state of its own
            elif isinstance(action, act.CloseContactors):
                self.enter("closing")
            elif isinstance(action, act.SessionEnded):
                self.ended_at = now
                self.enter("ended")
        if self.role == "evcc" and isinstance(event, ev.MessageReceived):
            self._count(event.message)
        return actions

    def _count(self, message: object) -> None:
        body = getattr(message, "body", None)
        if type(message if body is None else body.body_element) not in LOOP_ANSWERS:
            return
        self.loops += 1
        sides = (self, self.other) if self.other is not None else (self,)
        if self.loops == LOOPS_BEFORE:
            for side in sides:
                side.enter("charging")
        elif self.loops == LOOPS:
            for side in sides:
                side.enter("stopping")
            self.enough()

    def asked_since_energised(self, until: float) -> dict[str, float]:
        """For each call that makes safe: when it was first asked for after what was last switched on before
        ``until``; empty if nothing was."""
        on = [at for at, place in self.log if place in ENERGISES and at <= until]
        if not on:
            return {}
        return {
            safe: min((at for at, place in self.log if place == safe and at >= on[-1]), default=float("inf"))
            for safe in self.makes_safe
        }


class Spy:
    """A port in front of the real one."""

    def __init__(self, side: Side, real: Any, port: str, table: dict[str, Kind]) -> None:
        self._side, self._real, self._port, self._table = side, real, port, table

    def __getattr__(self, name: str) -> Any:
        kind = self._table.get(name)
        if kind is None:
            return getattr(self._real, name)
        return self._side.look_up(self._real, f"{self._port}.{name}", kind)


def extras(role: str) -> dict[str, Any]:
    """Ports that the simulated plant has none of."""

    async def refuses(*_: object) -> bool:
        return False

    found: dict[str, Any] = {"heartbeat": SimpleNamespace(beat=lambda count: None)}
    if role == "secc":
        found["contract_authorizer"] = SimpleNamespace(trust=None, authorize_contract=refuses)
        found["contract_certificates"] = SimpleNamespace(certificate_installation=refuses)
        found["value_added"] = SimpleNamespace(services=())
    else:
        found["contracts"] = SimpleNamespace(present=None, store=refuses)
        found["value_added"] = SimpleNamespace(wanted=())
    return found
