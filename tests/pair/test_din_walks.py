"""Random walks through both sessions of DIN 70121 that mix legal, illegal and absurd steps, every
one under the safety monitor.

A walk is its seed: a failing one is repeated by ``walk_station(seed)`` or ``walk_vehicle(seed)``.
ISO15118_WALKS sets the number.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

from msgspec.structs import fields, replace

from iso15118.evcc.din.exchange import RESPONSES
from iso15118.messages import app, din
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.evcc.din.station import ANSWERS, STATES, Host, offer, schedules, status
from tests.evcc.din.station import BATTERY_V as INLET_V
from tests.secc.din.vehicle import BATTERY_V, REQUESTS, STATION, Drive, parameters, with_fault

ORDINARY = [state for state in State if state is not State.ENDED]
WALKS = int(os.environ.get("ISO15118_WALKS", "8000")) // 4
STEPS = 60
ENDS = ("STOPPED_BY_EV", "SEQUENCE_ERROR", "PEER_VANISHED", "EMERGENCY", "TIMEOUT")


def _number(rng: random.Random) -> din.PhysicalValue:
    """Whatever the type can say."""
    return din.PhysicalValue(
        multiplier=rng.randint(-3, 3),
        unit=rng.choice([None, *din.UnitSymbol]),
        value=rng.choice((0, 1, -1, 32_767, -32_768, rng.randint(-32_768, 32_767), 400, 40, 4)),
    )


# -- the station -------------------------------------------------------------------------------------------


def walk_station(seed: int) -> str:
    """One walk of the station's session; returns how it ended."""
    rng = random.Random(seed)
    settings = DinSeccSettings(
        session_stop_anywhere=rng.random() < 0.8,
        eim_rejected=rng.choice(("wait", "fail")),
        precharge_over_2a=rng.choice(("clip", "fail")),
        welding_needs_cp_b=rng.choice(("note", "fail")),
        profile_check=rng.choice(("note", "strict")),
        plausibility=rng.choice(("note", "strict")),
        no_power_wait_s=rng.choice((0.0, 5.0, 55.0)),
    )
    drive = Drive(config=SeccConfig(editions=("din",), din=settings))
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
            foreign = None if rng.random() < 0.5 else rng.choice((bytes(8), rng.randbytes(8), b"\0"))
            _send(drive, rng.choice(REQUESTS), session_id=foreign)
        elif dice < 0.84:
            _odd_numbers(drive, rng)
        elif dice < 0.96:
            drive.tell(_station_event(rng))
        else:
            drive.wait(rng.choice((0.01, 0.3, 0.6, 2.0, 61.0)))
    if drive.session.ended is None:
        drive.tell(ev.TransportLost(rng.choice(list(ev.TransportLoss))))
    ended = drive.session.ended
    assert ended is not None
    assert drive.session.error is None, drive.session.error
    assert not drive.session.energized
    assert drive.session.deadline is None
    assert drive.monitor.seen > 0
    return ended.reason.name


def _send(drive: Drive, kind: type, **changes: Any) -> None:
    """Send it, whatever the session is doing."""
    if drive.session.state in ("Connecting", "supportedAppProtocol"):
        drive.receive(drive.request(kind, **changes))
    else:
        drive.send(kind, **changes)


def _next_legal(drive: Drive, rng: random.Random) -> None:
    """What an ordinary vehicle and ordinary hardware would do next."""
    match drive.session.state:
        case "Connecting":
            drive.connect()
        case "SessionSetup":
            drive.set_up()
        case "ContractAuthentication":
            drive.send(din.ContractAuthenticationReq)
            drive.tell(ev.AuthorizationDecided(rng.random() < 0.9))
        case "CableCheck":
            drive.send(din.CableCheckReq)
            drive.tell(ev.CableCheckFinished(rng.random() < 0.95))
        case "PowerDelivery":
            drive.measure(rng.choice((0.0, BATTERY_V, BATTERY_V, BATTERY_V + 15.0)))
            drive.send(rng.choice((din.PreChargeReq, din.PowerDeliveryReq)))
            if any(isinstance(one, act.CloseContactors) for one in drive.book.actions):
                drive.tell(ev.ContactorsChanged(rng.random() < 0.95))
        case "CurrentDemand" if rng.random() < 0.1:
            drive.send(din.PowerDeliveryReq, ready_to_charge_state=False)
            drive.tell(ev.ContactorsChanged(False))
        case "WeldingDetection" if rng.random() < 0.3:
            drive.send(din.SessionStop)
        case state:
            kind = getattr(din, f"{state}Req", din.SessionStop)
            _send(drive, kind)


def _odd_numbers(drive: Drive, rng: random.Random) -> None:
    """A legal kind of message with numbers nobody means."""
    match drive.session.state:
        case "ChargeParameterDiscovery":
            quantities = [one.name for one in fields(din.DCEVChargeParameter) if one.name.startswith("ev_")]
            odd: dict[str, Any] = {rng.choice(quantities): _number(rng)}
            odd |= {"full_soc": rng.randint(0, 100), "bulk_soc": rng.choice((None, rng.randint(0, 100)))}
            drive.send(din.ChargeParameterDiscoveryReq, ev_charge_parameter=parameters(**odd))
        case "PreCharge" | "PowerDelivery":
            field = rng.choice(("ev_target_voltage", "ev_target_current"))
            drive.send(din.PreChargeReq, **{field: _number(rng)})
        case "CurrentDemand":
            drive.measure(BATTERY_V, rng.choice((0.0, 50.0)))
            field = rng.choice(
                (
                    "ev_target_voltage",
                    "ev_target_current",
                    "ev_maximum_current_limit",
                    "ev_maximum_power_limit",
                )
            )
            fault = rng.choice(list(din.DCEVErrorCode)) if rng.random() < 0.2 else din.DCEVErrorCode.NO_ERROR
            drive.send(din.CurrentDemandReq, dc_ev_status=with_fault(fault), **{field: _number(rng)})
            drive.output = ev.PowerMeasured(BATTERY_V, 0.0)  # a supply follows before anybody looks again
        case "ServicePaymentSelection":
            chosen = din.SelectedServiceList(
                selected_service=(din.SelectedService(service_id=rng.randint(0, 3)),)
            )
            drive.send(din.ServicePaymentSelectionReq, selected_service_list=chosen)
        case _:
            _next_legal(drive, rng)


def _station_event(rng: random.Random) -> ev.Event:
    derated = replace(
        STATION,
        maximum_charge_power_w=rng.choice((0.0, 50e3, 150e3)),
        maximum_charge_current_a=rng.choice((0.0, 100.0, 400.0)),
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
    ]
    rare: list[ev.Event] = [
        ev.SignalChanged(rng.choice(list(ev.SignalState))),
        ev.EmergencyShutdown("test"),
        ev.HardwareFault("port", "test"),
        ev.Undecodable("test"),
        ev.TransportLost(ev.TransportLoss.RESET),
    ]
    return rng.choice(common if rng.random() < 0.8 else rare)


# -- the vehicle -------------------------------------------------------------------------------------------


def walk_vehicle(seed: int) -> str:
    """One walk of the vehicle's session; returns how it ended."""
    rng = random.Random(seed)
    host = Host().to(rng.choice(STATES))
    for _ in range(rng.randint(1, STEPS)):
        if host.session.ended is not None and rng.random() < 0.7:
            break
        dice = rng.random()
        if dice < 0.75:
            if host.session.state == "CurrentDemand" and rng.random() < 0.1:
                host.battery(energy_to_target_wh=0.0, complete=True)
            host.step()
        elif dice < 0.80:
            _odd_answer(host, rng)
        elif dice < 0.84:
            codes = list(din.ResponseCode)
            host.tell(ev.MessageReceived(host.response(rng.choice(ANSWERS), response_code=rng.choice(codes))))
        elif dice < 0.95:
            host.tell(_vehicle_event(host, rng))
        else:
            host.wait(rng.choice((0.01, 0.3, 0.6, 2.1)))
    if host.session.ended is None:
        host.tell(ev.TransportLost(rng.choice(list(ev.TransportLoss))))
    ended = host.session.ended
    assert ended is not None
    assert host.session.error is None, host.session.error
    assert host.session.deadline is None
    assert not host.session.energized
    assert host.monitor.seen > 0
    return ended.reason.name


def _odd_answer(host: Host, rng: random.Random) -> None:
    """The right kind of answer, with a status or numbers nobody means."""
    if not host.waiting or host.session.ended is not None:
        host.step()
        return
    said = status(
        rng.choice(list(din.DCEVSEStatusCode)).value,
        rng.choice([None, *(one.value for one in din.IsolationLevel)]),
        rng.choice(list(din.EVSENotification)).value,
        rng.choice((0, 5, 60, 2**32 - 1)),
    )
    ongoing = {"evse_processing": din.EVSEProcessing.Ongoing}
    match host.session.state:
        case "CurrentDemand":
            field = rng.choice(
                (
                    "evse_maximum_voltage_limit",
                    "evse_maximum_current_limit",
                    "evse_maximum_power_limit",
                    "evse_present_voltage",
                    "evse_present_current",
                )
            )
            host.answer(**{field: _number(rng)}, **({"dc_evse_status": said} if rng.random() < 0.3 else {}))
        case "ChargeParameterDiscovery":
            field = rng.choice(
                [one.name for one in fields(din.DCEVSEChargeParameter) if one.name != "dc_evse_status"]
            )
            host.answer(
                evse_charge_parameter=offer(**{field: _number(rng)}),
                sa_schedules=schedules(
                    rng.randint(-32_768, 32_767), rng.randint(-32_768, 32_767), rng.choice((None, 0))
                ),
                **(ongoing if rng.random() < 0.3 else {}),
            )
        case "CableCheck" | "PreCharge" | "WeldingDetection":
            host.answer(dc_evse_status=said, **(ongoing if host.session.state == "CableCheck" else {}))
        case "ContractAuthentication":
            host.answer(**ongoing)
        case "supportedAppProtocol":
            code = rng.choice(list(app.ResponseCode))
            host.answer(response_code=code, schema_id=rng.choice((None, 0, 1, 2)))
        case _:
            codes = [code for code in din.ResponseCode if code.value.startswith("OK")]
            host.answer(response_code=rng.choice(codes))


def _vehicle_event(host: Host, rng: random.Random) -> ev.Event:
    host.measure(rng.choice((0.0, INLET_V, INLET_V + 30.0, 1200.0)), rng.choice((0.0, 3.0, 900.0)))
    common: list[ev.Event] = [
        ev.ContactorsChanged(rng.random() < 0.5),
        ev.SignalChanged(ev.SignalState.C),
        ev.StopRequested("test"),
        ev.PauseRequested("test"),
    ]
    rare: list[ev.Event] = [
        ev.SignalChanged(rng.choice(list(ev.SignalState))),
        ev.EmergencyShutdown("test"),
        ev.HardwareFault("port", "test"),
        ev.Undecodable("test"),
        ev.TransportLost(ev.TransportLoss.CLOSED),
        ev.Connected(False),
    ]
    return rng.choice(common if rng.random() < 0.7 else rare)


def test_walks_of_the_station() -> None:
    ends = Counter(walk_station(seed) for seed in range(WALKS // 2))
    # The walks reach what they are meant to reach: an ordinary end, refusals, faults and loss of the link.
    for reason in (*ENDS, "UNKNOWN_SESSION", "PARAMETERS_NOT_ACCEPTED", "CABLE_CHECK_FAILED"):
        assert ends[reason] > WALKS // 2000, ends


def test_walks_of_the_vehicle() -> None:
    ends = Counter(walk_vehicle(seed) for seed in range(WALKS - WALKS // 2))
    for reason in (*ENDS, "REFUSED", "STOPPED_BY_STATION", "HARDWARE_FAULT"):
        assert ends[reason] > WALKS // 2000, ends


def test_every_await_point_is_walked_from() -> None:
    assert len(STATES) == len(RESPONSES) + 1
