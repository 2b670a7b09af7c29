"""Twenty thousand walks through both sessions that mix legal, illegal and absurd steps, every
one under the safety monitor.

A walk is its seed: a failing one is repeated by ``walk_station(seed)`` or ``walk_vehicle(seed)``.
ISO15118_WALKS sets the number.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import msgspec

from iso15118.evcc.iso20.exchange import RESPONSES
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.services import ControlMode
from tests.evcc.station import ANSWERS, STATES, Host
from tests.evcc.station import BATTERY_V as INLET_V
from tests.secc.table import STATES as TABLE_STATES
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, REQUESTS, STATION, Drive

ORDINARY = [state for state in TABLE_STATES if state not in (State.SCHEDULE_RENEGOTIATION, State.ENDED)]
WALKS = int(os.environ.get("ISO15118_WALKS", "8000"))
STEPS = 60


def walk_station(seed: int) -> str:
    """One walk of the station's session; returns how it ended."""
    rng = random.Random(seed)
    drive = Drive(rng.choice(ALL_SERVICES), rng.choice(list(ControlMode)))
    # A walk that began at the beginning would rarely live to see the charge loop.
    start = rng.choice([None, *ORDINARY])
    if start is not None:
        drive.to(start)
    for _ in range(rng.randint(1, STEPS)):
        if drive.session.ended is not None and rng.random() < 0.7:
            break
        dice = rng.random()
        if dice < 0.70:
            _next_legal(drive, rng)
        elif dice < 0.74:
            drive.send(
                rng.choice(REQUESTS), **({} if rng.random() < 0.5 else {"header": _header(drive, rng)})
            )
        elif dice < 0.84:
            _odd_numbers(drive, rng)
        elif dice < 0.96:
            drive.book.tell(_station_event(rng))
        else:
            drive.book.wait(rng.choice((0.01, 0.3, 0.6, 2.0, 61.0)))
    if drive.session.ended is None:
        drive.book.tell(ev.TransportLost(rng.choice(list(ev.TransportLoss))))
    ended = drive.session.ended
    assert ended is not None
    assert not drive.session.energized
    assert drive.session.deadline is None
    assert drive.monitor.seen > 0
    return ended.reason.name


def _next_legal(drive: Drive, rng: random.Random) -> None:
    """What an ordinary vehicle and ordinary hardware would do next."""
    state = drive.session.state
    match state:
        case "SessionSetup":
            drive.send(cm.SessionSetupReq)
            drive.session_id = drive.session.session_id
        case "Authorization":
            drive.send(cm.AuthorizationReq)
            drive.book.tell(ev.AuthorizationDecided(rng.random() < 0.9))
        case "DC_CableCheck":
            drive.send(dc.DCCableCheckReq)
            drive.book.tell(ev.CableCheckFinished(rng.random() < 0.95))
        case "DC_PreCharge":
            drive.measure(rng.choice((0.0, BATTERY_V, BATTERY_V, BATTERY_V + 15.0)))
            drive.send(dc.DCPreChargeReq, ev_processing=rng.choice((Processing.Ongoing, Processing.Finished)))
        case "PowerDelivery":
            drive.send(cm.PowerDeliveryReq)
            drive.book.tell(ev.ContactorsChanged(rng.random() < 0.95))
        case "DC_ChargeLoop" if rng.random() < 0.15:
            _beside(drive, rng)
        case "DC_ChargeLoop" if rng.random() < 0.1:
            progress = rng.choice(list(cm.ChargeProgress))
            drive.send(cm.PowerDeliveryReq, charge_progress=progress)
            if progress is cm.ChargeProgress.Stop:
                drive.book.tell(ev.ContactorsChanged(False))
        case "ScheduleRenegotiation":
            drive.send(cm.ScheduleExchangeReq)
        case _:
            kind = next((kind for kind in REQUESTS if _names(kind) == state), cm.SessionStopReq)
            drive.send(kind)


def _beside(drive: Drive, rng: random.Random) -> None:
    """Something beside the loop, mostly what belongs there."""
    ordinary = (cm.ScheduleExchangeReq, cm.PowerDeliveryReq, dc.DCChargeParameterDiscoveryReq)
    kind = rng.choice(ordinary if rng.random() < 0.95 else REQUESTS)
    changes: dict[str, Any] = {}
    if kind is cm.PowerDeliveryReq and rng.random() < 0.2:
        changes["charge_progress"] = rng.choice(list(cm.ChargeProgress))
    drive.book.tell(ev.MessageReceived(drive.request(kind, **changes), beside=True))


def _names(kind: type) -> str:
    return RESPONSES[kind][1] if kind in RESPONSES else ""


def _header(drive: Drive, rng: random.Random) -> Any:
    return msgspec.structs.replace(drive.header(), session_id=rng.choice((bytes(8), rng.randbytes(8))))


def _number(rng: random.Random) -> Any:
    return rational(
        rng.choice((0.0, -1.0, 1e-3, 32767.0, -32767.0, 400.0, 949.0, 951.0, 3001.0, 3.75e6, -3.75e6, 3e7))
    )


def _odd_numbers(drive: Drive, rng: random.Random) -> None:
    """A legal kind of message with numbers nobody means."""
    match drive.session.state:
        case "DC_ChargeParameterDiscovery":
            field = rng.choice(msgspec.structs.fields(drive.service.cpd_req_mode)).name
            value = rng.randint(0, 100) if field == "target_soc" else _number(rng)
            drive.send(
                dc.DCChargeParameterDiscoveryReq,
                dc_cpd_req_energy_transfer_mode=drive.cpd_mode(**{field: value}),
            )
        case "DC_PreCharge":
            drive.send(dc.DCPreChargeReq, ev_target_voltage=_number(rng), ev_processing=Processing.Ongoing)
        case "DC_ChargeLoop":
            drive.measure(BATTERY_V, rng.choice((0.0, 100.0, -100.0)))
            kind = (
                drive.service.dynamic_req
                if drive.control_mode is ControlMode.DYNAMIC
                else drive.service.scheduled_req
            )
            field = rng.choice(
                [field.name for field in msgspec.structs.fields(kind) if field.name != "departure_time"]
            )
            make = drive.dynamic if drive.control_mode is ControlMode.DYNAMIC else drive.scheduled
            mode = msgspec.structs.replace(make(), **{field: _number(rng)})
            drive.send(dc.DCChargeLoopReq, cl_req_control_mode=mode, meter_info_requested=rng.random() < 0.3)
        case "ServiceSelection":
            chosen = cm.SelectedService(service_id=rng.randint(0, 12), parameter_set_id=rng.randint(0, 4))
            drive.send(cm.ServiceSelectionReq, selected_energy_transfer_service=chosen)
        case _:
            _next_legal(drive, rng)


def _station_event(rng: random.Random) -> ev.Event:
    derated = msgspec.structs.replace(
        STATION,
        maximum_charge_power_w=rng.choice((0.0, 50e3, 3.75e6)),
        maximum_charge_current_a=rng.choice((0.0, 100.0, 3000.0)),
        maximum_discharge_power_w=rng.choice((0.0, 1e5)),
    )
    common: list[ev.Event] = [
        ev.LimitsChanged(derated),
        ev.SetPointChanged(rng.choice((None, 0.0, 1e5, -1e5, -1e9, 1e9))),
        ev.MeterRead("M", rng.uniform(0.0, 1e6)),
        ev.AuthorizationDecided(rng.random() < 0.5),
        ev.CableCheckFinished(rng.random() < 0.5),
        ev.ContactorsChanged(rng.random() < 0.5),
        ev.SignalChanged(ev.SignalState.C),
        ev.StopRequested("test"),
        ev.PauseRequested("test"),
        ev.ScheduleRenegotiationRequested("test"),
        ev.ServiceRenegotiationRequested("test"),
        ev.StandbyRequested("test", wanted=rng.random() < 0.5),
        ev.MobilityNeedsChanged(rng.choice((None, 60.0)), None, rng.choice((None, 42))),
        ev.ReceiptIssued(energy=ev.Cost(1.0, 0.3)),
    ]
    rare: list[ev.Event] = [
        ev.SignalChanged(rng.choice(list(ev.SignalState))),
        ev.EmergencyShutdown("test"),
        ev.HardwareFault("port", "test"),
        ev.Undecodable("test"),
        ev.TransportLost(ev.TransportLoss.RESET),
        ev.Connected(True),
    ]
    return rng.choice(common if rng.random() < 0.8 else rare)


def walk_vehicle(seed: int) -> str:
    """One walk of the vehicle's session; returns how it ended."""
    rng = random.Random(seed)
    host = Host(rng.choice(ALL_SERVICES), rng.choice(list(ControlMode))).to(rng.choice(STATES))
    for _ in range(rng.randint(1, STEPS)):
        if host.session.ended is not None and rng.random() < 0.7:
            break
        dice = rng.random()
        if dice < 0.75:
            if host.session.state == "DC_ChargeLoop" and rng.random() < 0.1:
                host.battery(energy_to_target_wh=0.0, complete=True)
            host.step()
        elif dice < 0.80:
            _odd_answer(host, rng)
        elif dice < 0.84:
            kind = rng.choice(ANSWERS)
            response = (
                app.SupportedAppProtocolRes(
                    response_code=rng.choice(list(app.ResponseCode)), schema_id=rng.randint(0, 3)
                )
                if kind is app.SupportedAppProtocolRes
                else host.response(kind, response_code=rng.choice(list(ResponseCode)))
            )
            host.tell(ev.MessageReceived(response))
        elif dice < 0.95:
            host.tell(_vehicle_event(host, rng))
        else:
            host.wait(rng.choice((0.01, 0.3, 0.6, 2.1)))
    if host.session.ended is None:
        host.tell(ev.TransportLost(rng.choice(list(ev.TransportLoss))))
    ended = host.session.ended
    assert ended is not None
    assert host.session.deadline is None
    assert host.monitor.seen > 0
    return ended.reason.name


def _odd_answer(host: Host, rng: random.Random) -> None:
    if not host.waiting or host.session.ended is not None:
        host.step()
        return
    if host.session.state == "DC_ChargeLoop":
        mode = host.loop_mode()
        field = rng.choice(mode.__struct_fields__)
        if field.startswith("evse_"):
            mode = msgspec.structs.replace(mode, **{field: _number(rng)})
        status = EVSEStatus(
            notification_max_delay=rng.choice((0, 5, 60)),
            evse_notification=rng.choice(list(EvseNotification)),
        )
        host.answer(cl_res_control_mode=mode, evse_status=status if rng.random() < 0.5 else None)
    elif host.session.state in ("Authorization", "ScheduleExchange", "DC_CableCheck"):
        host.answer(evse_processing=Processing.Ongoing)
    else:
        codes = [code for code in ResponseCode if code.value.startswith(("OK", "WARNING"))]
        if host.session.state != "supportedAppProtocol":
            host.answer(response_code=rng.choice(codes))


def _vehicle_event(host: Host, rng: random.Random) -> ev.Event:
    host.measure(rng.choice((0.0, INLET_V, INLET_V + 30.0, 1200.0)), rng.choice((0.0, 3.0, 900.0)))
    common: list[ev.Event] = [
        ev.ContactorsChanged(rng.random() < 0.5),
        ev.SignalChanged(ev.SignalState.C),
        ev.StopRequested("test"),
        ev.PauseRequested("test"),
        ev.ScheduleRenegotiationRequested("test"),
        ev.ServiceRenegotiationRequested("test"),
        ev.StandbyRequested("test", wanted=rng.random() < 0.5),
        ev.NeedsChanged(rng.choice((None, 60.0)), None, rng.choice((None, 42))),
    ]
    rare: list[ev.Event] = [
        ev.SignalChanged(rng.choice(list(ev.SignalState))),
        ev.EmergencyShutdown("test"),
        ev.HardwareFault("port", "test"),
        ev.Undecodable("test"),
        ev.TransportLost(ev.TransportLoss.CLOSED),
        ev.Connected(True),
    ]
    return rng.choice(common if rng.random() < 0.7 else rare)


def test_walks_of_the_station() -> None:
    ends = Counter(walk_station(seed) for seed in range(WALKS // 2))
    # The walks reach what they are meant to reach: an ordinary end, refusals, faults and loss of the link.
    for reason in (
        "STOPPED_BY_EV",
        "SEQUENCE_ERROR",
        "UNKNOWN_SESSION",
        "PEER_VANISHED",
        "EMERGENCY",
        "TIMEOUT",
    ):
        assert ends[reason] > WALKS // 2000, ends


def test_walks_of_the_vehicle() -> None:
    ends = Counter(walk_vehicle(seed) for seed in range(WALKS - WALKS // 2))
    for reason in ("STOPPED_BY_EV", "SEQUENCE_ERROR", "REFUSED", "PEER_VANISHED", "EMERGENCY", "TIMEOUT"):
        assert ends[reason] > WALKS // 2000, ends
