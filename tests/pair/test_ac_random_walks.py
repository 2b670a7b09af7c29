"""Random walks with AC: whatever is said, measured or wished, in whatever order, the safety monitor sees
nothing that must not happen."""

from __future__ import annotations

import random
from typing import Any

import pytest

from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.services import ControlMode
from iso15118.simulation import ContactorFault
from iso15118.testing import AcPair
from tests.pair.ac_rig import AC_SERVICES, ac_pair
from tests.secc.ac_vehicle import WAY, AcDrive

SEEDS = range(60)
REQUESTS = tuple(
    getattr(module, name) for module in (cm, ac) for name in module.__all__ if name.endswith("Req")
)


def _request(rng: random.Random, drive: AcDrive) -> None:
    kind = (
        rng.choice(REQUESTS) if rng.random() < 0.3 else rng.choice((ac.ACChargeLoopReq, cm.PowerDeliveryReq))
    )
    changes: dict[str, Any] = {}
    if kind is cm.PowerDeliveryReq:
        changes["charge_progress"] = rng.choice(list(cm.ChargeProgress))
        changes["ev_processing"] = rng.choice((Processing.Finished, Processing.Finished, Processing.Ongoing))
    elif kind is cm.SessionStopReq:
        changes["charging_session"] = rng.choice(list(cm.ChargingSession))
    elif kind is ac.ACChargeLoopReq and rng.random() < 0.5:
        changes["cl_req_control_mode"] = drive.loop(
            ev_maximum_charge_power=rational(rng.choice((-1e4, 0.0, 3e3, 6e3, 1e6)))
        )
    drive.send(kind, **changes)


def _values(rng: random.Random) -> ev.AcMeasured:
    amperes = rng.choice((0.0, 0.0, 10.0, 16.0, 80.0))
    watts = amperes * 230.0 * rng.choice((1.0, 1.0, -1.0))
    return ev.AcMeasured(
        voltage_v=rng.choice(((230.0, 230.0, 230.0), (230.0, 0.0, 230.0), (290.0, 230.0, 230.0))),
        current_a=(amperes, amperes, amperes),
        power_w=(watts, watts, watts),
    )


def _event(rng: random.Random) -> ev.Event:
    return rng.choice(
        (
            ev.ContactorsChanged(rng.random() < 0.6),
            ev.SignalChanged(rng.choice((ev.SignalState.C, ev.SignalState.C, ev.SignalState.B))),
            ev.SetPointChanged(rng.choice((None, 0.0, 5e3, -5e3, 1e5)), rng.choice((None, 500.0))),
            ev.AcLimitsChanged(AcStationLimits.of(current_a=rng.choice((0.0, 5.0, 16.0, 32.0)))),
            ev.MeterRead("M", 10.0),
            ev.AuthorizationDecided(rng.random() < 0.8),
            ev.PauseRequested("peak"),
        )
    )


RARE = (
    ev.StopRequested("enough"),
    ev.HardwareFault("ac", "broken"),
    ev.EmergencyShutdown("button"),
    ev.SignalChanged(ev.SignalState.A),
    ev.TransportLost(ev.TransportLoss.RESET),
    ev.Undecodable("noise"),
    ev.AcMeasured(voltage_v=(float("nan"), 0.0, 0.0)),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_station_that_hears_anything(seed: int) -> None:
    rng = random.Random(seed)
    drive = AcDrive(rng.choice(AC_SERVICES), rng.choice(list(ControlMode)), phases=rng.choice((1, 3)))
    drive.to(rng.choice(WAY))
    for _ in range(80):
        turn = rng.random()
        if turn < 0.4:
            _request(rng, drive)
        elif turn < 0.7:
            drive.book.tell(_event(rng))
        elif turn < 0.8:
            drive.values = _values(rng)
            drive.book.tell(drive.values)
        elif turn < 0.98:
            drive.book.wait(rng.choice((0.05, 0.2, 0.45, 1.5)))
        else:
            drive.book.tell(rng.choice(RARE))
    drive.book.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    assert drive.session.ended is not None
    assert drive.session.error is None, drive.session.error
    assert not drive.session.energized
    assert drive.monitor.seen > 20


def _go_on(pair: AcPair, seconds: float) -> None:
    """Run so long, or to the end."""
    moment = pair.now + seconds
    pair.run(until=lambda: pair.now >= moment)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pair_that_is_disturbed(seed: int) -> None:
    rng = random.Random(1_000 + seed)

    def swallow(sender: str, message: Any, now: float) -> bool | None:
        return False if rng.random() < 0.001 else None

    pair = ac_pair(
        rng.choice(AC_SERVICES),
        rng.choice(list(ControlMode)),
        phases=rng.choice((1, 3)),
        uneven=False,
        on_message=swallow,
        evcc={"no_power_s": 60.0},
    )
    for _ in range(12):
        if pair.done:
            break
        _go_on(pair, rng.uniform(0.1, 20.0))
        choice = rng.randrange(10)
        match choice:
            case 0 | 1:
                pair.tell_secc(ev.SetPointChanged(rng.choice((None, 0.0, 5e3, -6e3, 3e4))))
            case 2 | 3:
                pair.station.derate(
                    AcStationLimits.of(current_a=rng.uniform(0.0, 40.0), phases=pair.station.circuit.phases),
                    pair.now,
                )
            case 4:
                car = pair.vehicle.declared.phases
                pair.vehicle.derate(
                    AcVehicleLimits.of(current_a=rng.uniform(0.0, 20.0), phases=car), pair.now
                )
            case 5:
                pair.tell_evcc(rng.choice((ev.StopRequested("enough"), ev.PauseRequested("later"))))
            case 6:
                pair.tell_secc(rng.choice((ev.StopRequested("enough"), ev.PauseRequested("peak"))))
            case 7:
                pair.vehicle.charger.ignores = rng.choice((0.0, 1_500.0))
            case 8:
                pair.station.outlet.fault = rng.choice(
                    (None, None, ContactorFault.WELDED, ContactorFault.SLOW)
                )
            case _:
                pair.tell_secc(rng.choice((ev.EmergencyShutdown("button"), ev.SetPointChanged(None))))
    pair.tell_secc(ev.StopRequested("over"))
    pair.run()
    pair.let_pass(3.0)
    assert pair.secc.error is None, pair.secc.error
    assert pair.evcc.error is None, pair.evcc.error
    assert not pair.secc.energized
    assert not pair.evcc.energized
    assert not any(pair.station.circuit.power_w) or pair.station.outlet.fault is ContactorFault.WELDED
