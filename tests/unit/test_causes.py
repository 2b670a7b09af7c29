"""Each row of the table of causes is produced by a session, or listed with the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.loopback import LoopbackSpec
from iso15118.loopback.memory import new_pair
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.causes import CAUSES, cause_of, undecided
from iso15118.session.events import SignalState, TransportLoss
from iso15118.session.limits import StationLimits
from iso15118.session.services import ServiceID
from iso15118.session.supervision import Finding, Reaction, Rule
from iso15118.timing import Timing
from tests.evcc.station import BATTERY_V, Host
from tests.secc.vehicle import Drive
from tests.unit.test_causes_of_refusals import CASES

ROOT = Path(__file__).parents[2]
RULES = {rule.value for rule in Rule}


def station(at: State | None = State.DC_CHARGE_LOOP) -> Drive:
    """In this state; in the charge loop with voltage at the output."""
    drive = Drive()
    if at is not None:
        drive.to(at)
    if at is State.DC_CHARGE_LOOP:
        drive.measure(BATTERY_V)
    return drive


def vehicle(at: str = "DC_ChargeLoop", **host: Any) -> Host:
    made = Host(**host).to(at)
    if at == "DC_ChargeLoop":
        made.measure(BATTERY_V)
    return made


def told(event: ev.Event, at: State | None = State.DC_CHARGE_LOOP) -> Drive:
    """A station that was told this, and the request with which the vehicle learns it."""
    drive = station(at)
    drive.book.tell(event)
    return heard(drive)


def heard(drive: Drive) -> Drive:
    if drive.session.ended is None:
        drive.send(dc.DCChargeLoopReq if drive.session.state == "DC_ChargeLoop" else cm.ServiceDiscoveryReq)
    return drive


def hears(event: ev.Event, at: str = "DC_ChargeLoop") -> Host:
    host = vehicle(at)
    host.tell(event)
    return host


def waits(drive: Drive, seconds: float) -> Drive:
    drive.book.wait(seconds)
    return drive


def late(at: State, seconds: float, kind: type, **fields: Any) -> Drive:
    """A phase of a station that is not over in time: the vehicle goes on asking."""
    drive = station(at)
    if at is State.DC_PRE_CHARGE:
        fields = {"ev_processing": Processing.Ongoing}
    passed = 0.0
    while drive.session.ended is None and passed < seconds:
        drive.send(kind, **fields)
        drive.book.wait(1.0)
        passed += 1.0
    return drive


def negotiation(**answer: Any) -> Host:
    host = Host(config=EvccConfig(editions=("iso20", "iso2"), services=(ServiceID.DC,)))
    host.tell(ev.MessageReceived(app.SupportedAppProtocolRes(**answer)))
    return host


def _opened(drive: Drive) -> Drive:
    drive.book.tell(ev.ContactorsChanged(False))
    return heard(drive)


def _nothing_to_offer() -> Host:
    return Host(secure=False)


def _no_dc_voltage() -> Drive:
    """The limits of the supply are those of one that has not been read yet."""
    nothing = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)
    drive = Drive(hardware=nothing)
    drive.connect()
    return drive


def _second_request() -> Drive:
    drive = station(State.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    drive.send(cm.PowerDeliveryReq)  # it waits for the contactors
    drive.send(cm.PowerDeliveryReq)
    return drive


def _contactors_late() -> Drive:
    drive = station(State.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    drive.send(cm.PowerDeliveryReq)
    return waits(drive, 3.0)


def _ongoing() -> Host:
    host = vehicle("Authorization")
    for _ in range(400):
        if host.session.ended is not None:
            break
        if host.waiting:
            host.answer(evse_processing=Processing.Ongoing)
        else:
            host.wait(1.0)
    return host


def _no_time() -> Drive:
    drive = station()
    drive.session.handle(ev.StopRequested("x"), float("nan"))
    return drive


def _refused(at: State, kind: type, **fields: Any) -> Drive:
    drive = station(at)
    drive.send(kind, **fields)
    return drive


def _stranger(drive: Drive) -> Drive:
    drive.session_id = bytes(range(8))
    drive.send(cm.ServiceDiscoveryReq)
    return drive


def _looping() -> Drive:
    drive = station()
    drive.send(dc.DCChargeLoopReq)
    return drive


def _connected() -> Drive:
    drive = Drive()
    drive.connect()
    return drive


def _answers(at: str, **fields: Any) -> Host:
    host = vehicle(at)
    host.answer(**fields)
    return host


def hears_message(at: str, kind: type) -> Host:
    host = vehicle(at)
    host.tell(ev.MessageReceived(host.response(kind)))
    return host


def _changed(host: Host) -> Host:
    host.session_id = bytes(range(8))
    host.answer()
    return host


def _silence(host: Host, seconds: float) -> Host:
    host.wait(seconds)
    return host


def _slow_setup() -> Host:
    """The station takes its time with every answer, none of which is too late by itself."""
    timing = Timing(communication_setup_timeout=1.0)
    return _silence(Host(config=EvccConfig(services=(ServiceID.DC,), timing=timing)), 1.5)


def _stops() -> Drive:
    drive = station()
    drive.book.tell(ev.StopRequested("enough"))
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    drive.send(cm.SessionStopReq)
    return drive


def _bad_cable() -> Drive:
    drive = station(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    drive.book.tell(ev.CableCheckFinished(False, "12 kOhm"))
    drive.send(dc.DCCableCheckReq)
    return drive


def _leaves() -> Host:
    host = vehicle("ServiceDiscovery")
    host.tell(ev.StopRequested("the driver"))
    for _ in range(20):
        if host.session.ended is not None:
            break
        host.step()
    return host


def _asked_to_stop() -> Drive:
    """The vehicle charges on."""
    drive = station()
    drive.book.tell(ev.StopRequested("the operator"))
    for _ in range(100):
        if drive.session.ended is not None:
            break
        drive.send(dc.DCChargeLoopReq)
        drive.book.wait(0.2)
    return drive


def _pays_otherwise() -> Host:
    host = _answers("AuthorizationSetup", authorization_services=(cm.Authorization.PnC,))
    for _ in range(20):
        if host.session.ended is None:
            host.step()
    return host


def _stays_closed() -> Drive:
    drive = station()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.wait(3.0)
    return drive


def _keeps_welding() -> Drive:
    drive = station(State.DC_WELDING_DETECTION)
    for _ in range(200):
        if drive.session.ended is not None:
            break
        drive.send(dc.DCWeldingDetectionReq, ev_processing=Processing.Ongoing)
        drive.book.wait(1.0)
    return drive


def _never_finished(at: str, **fields: Any) -> Host:
    """The station answers, and is not ready."""
    host = vehicle(at)
    for _ in range(4000):
        if host.session.ended is not None or host.session.state not in (at, "SessionStop"):
            break
        if not host.waiting:
            host.wait(0.25)
        elif host.session.state == at:
            host.answer(**fields)
        else:
            host.answer()
    return host


def in_pair(
    edition: str, event: ev.Event, *, role: str = "evcc", at: str = "DC_ChargeLoop", tell: str = "secc"
) -> Any:
    """Both ends; the one is told this in this state, and the other one's session is looked at."""
    pair = new_pair(LoopbackSpec(transport="memory", edition=edition))
    told = getattr(pair, tell)
    pair.run(until=lambda: at in (told.state, told.state.upper()))
    getattr(pair, f"tell_{tell}")(event)
    pair.run(max_s=4000.0)
    return _Of(getattr(pair, role))


class _Of:
    """What has a session."""

    def __init__(self, session: Any) -> None:
        self.session = session


PRODUCED: dict[str, Callable[[], Any]] = {
    "stopped-by-station": _stops,
    "no-common-protocol": lambda: negotiation(response_code=app.ResponseCode.Failed_NoNegotiation),
    "answer-without-schema-id": lambda: negotiation(response_code=app.ResponseCode.OK_SuccessfulNegotiation),
    "schema-id-not-offered": lambda: negotiation(
        response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=99
    ),
    "nothing-to-offer": _nothing_to_offer,
    "no-dc-voltage": _no_dc_voltage,
    "service-not-offered": lambda: _refused(
        State.SERVICE_SELECTION,
        cm.ServiceSelectionReq,
        selected_energy_transfer_service=cm.SelectedService(service_id=4711, parameter_set_id=1),
    ),
    "cable-check-failed": _bad_cable,
    "cable-check-timeout": lambda: late(State.DC_CABLE_CHECK, 120.0, dc.DCCableCheckReq),
    "pre-charge-timeout": lambda: late(State.DC_PRE_CHARGE, 120.0, dc.DCPreChargeReq),
    "contactors-not-closed": _contactors_late,
    "contactors-opened": lambda: _opened(station()),
    "contactors-unasked": lambda: told(ev.ContactorsChanged(True), State.SERVICE_DISCOVERY),
    "sequence-error": lambda: _refused(State.SERVICE_DISCOVERY, dc.DCPreChargeReq),
    "second-request": _second_request,
    "unknown-session": lambda: _stranger(station(State.SERVICE_DISCOVERY)),
    "undecodable": lambda: told(ev.Undecodable("80 at bit 7")),
    "sequence-timeout": lambda: waits(station(State.SERVICE_DISCOVERY), 61.0),
    "loop-sequence-timeout": lambda: waits(_looping(), 2.0),
    "setup-timeout-station": lambda: waits(_connected(), 30.0),
    "peer-vanished": lambda: told(ev.TransportLost(TransportLoss.LINK_DOWN)),
    "connection-closed": lambda: told(ev.TransportLost(TransportLoss.CLOSED)),
    "connection-reset": lambda: told(ev.TransportLost(TransportLoss.RESET)),
    "tls-alert": lambda: told(ev.TransportLost(TransportLoss.TLS_ALERT)),
    "connected-anew": lambda: told(ev.TransportLost(TransportLoss.CONNECTED_ANEW)),
    "unplugged": lambda: told(ev.SignalChanged(SignalState.A)),
    "pilot-fault": lambda: told(ev.SignalChanged(SignalState.F)),
    "pilot-left-c": lambda: told(ev.SignalChanged(SignalState.B)),
    "hardware-fault": lambda: told(ev.HardwareFault("power", "over-temperature")),
    "emergency": lambda: told(ev.EmergencyShutdown("the button")),
    "internal-error": _no_time,
    "stop-not-followed": _asked_to_stop,
    "contactors-not-opened": _stays_closed,
    "vehicle-ongoing-timeout": _keeps_welding,
    "pre-charge-failed": lambda: _refused(
        State.DC_PRE_CHARGE, dc.DCPreChargeReq, ev_target_voltage=rational(5000.0)
    ),
    "pause-refused": lambda: _refused(
        State.SERVICE_DISCOVERY, cm.SessionStopReq, charging_session=cm.ChargingSession.Pause
    ),
    # vehicle
    "cable-check-timeout-vehicle": lambda: _never_finished(
        "DC_CableCheck", evse_processing=Processing.Ongoing
    ),
    "pre-charge-timeout-vehicle": lambda: _never_finished("DC_PreCharge", evse_present_voltage=rational(0.0)),
    "no-common-authorization": _pays_otherwise,
    "paused": lambda: in_pair("iso20", ev.PauseRequested("later"), tell="evcc"),
    "refused": lambda: _answers("ServiceDiscovery", response_code=ResponseCode.FAILED),
    "authorization-refused-by-station": lambda: _answers("Authorization", response_code=ResponseCode.FAILED),
    "answer-out-of-turn": lambda: hears_message("ServiceDiscovery", dc.DCPreChargeRes),
    "session-id-changed": lambda: _changed(vehicle("ServiceDiscovery")),
    "message-timeout": lambda: _silence(vehicle("ServiceDiscovery"), 3.0),
    "setup-timeout-vehicle": _slow_setup,
    "ongoing-timeout": _ongoing,
    "stopped-by-vehicle": _leaves,
}


NOT_HERE: dict[str, str] = {
    "timeout": "no session of ours: every timer has a row of its own; for ends that others make, as a loopback that is not over",
    "signal-lost": "every end by the pilot has a row of its own; for ends that others make",
    "loop-blocked": "tests/aio/test_ends_told.py: it needs a loop that does not turn",
    "program-ended": "tests/aio/test_ends_told.py: it needs a program that ends",
    "voltage-limit-lowered": "tests/secc/test_lower_voltage.py: limits that fall in mid-session",
    "battery-limit-lowered": "tests/evcc/test_lower_battery.py: a battery that can stand less in mid-session",
}
"""Those that no session in memory comes to, and why."""


@pytest.mark.parametrize("code", PRODUCED)
def test_a_session_ends_with_this_cause(code: str) -> None:
    made = PRODUCED[code]()
    session = made.session if hasattr(made, "session") else None
    if session is None:
        pytest.fail("the way to this end gives no session")
    ended = session.ended
    assert ended is not None, session.state
    assert cause_of(ended.reason, ended.cause).code == code, ended


@pytest.mark.parametrize("edition", ["iso20", "iso2", "din"])
def test_a_driver_who_is_refused_is_the_cause_at_both_ends_in_every_edition(edition: str) -> None:
    pair = new_pair(LoopbackSpec(transport="memory", edition=edition))
    pair.station.accept = False
    pair.run(max_s=2000.0)
    codes = []
    for session in (pair.secc, pair.evcc):
        assert session.ended is not None
        codes.append(cause_of(session.ended.reason, session.ended.cause).code)
    assert codes[0] == "authorization-refused"
    assert codes[1] == ("authorization-refused" if edition == "iso20" else "authorization-refused-by-station")
    assert pair.secc.ended is not None
    assert "refused" in pair.secc.ended.detail


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_broken_rule_is_the_cause(role: str, rule: Rule) -> None:
    finding = Finding(rule, 2.0, 1.0, 0.0, Reaction.FAULT, "A")
    if role == "secc":
        drive = station()
        drive.session._found(finding)
        drive.send(dc.DCChargeLoopReq)
        ended = drive.session.ended
    else:
        host = vehicle()
        host.session._found(finding)
        ended = host.session.ended
    assert ended is not None
    assert cause_of(ended.reason, ended.cause).code == rule.value


def test_every_cause_is_produced_or_listed_with_the_reason() -> None:
    assert undecided() == []
    refusals = {code for code, *_ in CASES}
    known = (
        set(PRODUCED) | refusals | RULES | {"authorization-refused"}
    )  # by the drivers who are refused above
    assert known & set(NOT_HERE) == set()
    assert known | set(NOT_HERE) == set(CAUSES)
    for code, where in NOT_HERE.items():
        path = ROOT / where.split(":")[0]
        assert not where.startswith("tests/") or f'"{code}"' in path.read_text(encoding="utf-8"), (
            code,
            where,
        )


def test_every_code_in_the_sources_is_a_row() -> None:
    sources = [
        path
        for room in ("secc", "evcc", "connector", "aio")
        for path in (ROOT / "iso15118" / room).rglob("*.py")
    ]
    named = set()
    for path in sources:
        for piece in path.read_text(encoding="utf-8").split('cause="')[1:]:
            named.add(piece.split('"')[0])
    assert named
    assert named - set(CAUSES) - {""} == set()
