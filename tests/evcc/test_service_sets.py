"""Which parameter set of a service a vehicle of ISO 15118-20 can take, which of several it likes best, and
how it leaves a parking space behind the charge.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.planning import Wish
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import setup, value_added
from iso15118.evcc.iso20.script import DC, Iso20
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.der import InverterAbilities
from iso15118.session.services import MobilityNeedsMode, ServiceID
from iso15118.session.value_added import CHECK_IN, CHECK_OUT
from tests.evcc.hand import Hand
from tests.evcc.station import SESSION_ID, VEHICLE, Host, battery

CHARGER = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
BY_EVCC, BY_SECC = MobilityNeedsMode.PROVIDED_BY_EVCC, MobilityNeedsMode.PROVIDED_BY_SECC


def talk_of(charger: AcVehicleLimits | None = CHARGER, inverter: Any = None, **settings: Any) -> Conversation:
    services = (ServiceID.DC, ServiceID.AC)
    talk = EvccSession(
        EvccConfig(**({"services": services} | settings)), VEHICLE, battery(), charger=charger
    )._talk
    talk.inverter, talk.now, talk.epoch = inverter, 100.0, 1.79e9
    return talk


def a_set(**values: int) -> cm.ParameterSet:
    found = tuple(cm.Parameter(name=name, int_value=value) for name, value in values.items())
    return cm.ParameterSet(parameter_set_id=1, parameter=found)


def inverter(functions: int) -> InverterAbilities:
    return InverterAbilities(apparent_va=11_000.0, reactive_var=4_000.0, iec_functions=functions)


# -- what it can take --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "values", "settings", "can"),
    [
        (ServiceID.DC, {"Connector": 2}, {}, True),
        (ServiceID.DC, {"Connector": 2}, {"connectors": (2, 4)}, True),
        (ServiceID.DC, {"Connector": 1}, {"connectors": (2, 4)}, False),
        (ServiceID.DC, {}, {"connectors": (2, 4)}, False),
        (ServiceID.WPT, {}, {"connectors": (2, 4)}, True),
        (ServiceID.DC, {"MobilityNeedsMode": 1}, {}, True),
        (ServiceID.DC, {"MobilityNeedsMode": 2}, {}, True),
        (ServiceID.DC, {"MobilityNeedsMode": 3}, {}, False),
        (ServiceID.DC_BPT, {"BPTChannel": 2, "ControlMode": 1}, {}, True),
        (ServiceID.DC_BPT, {"BPTChannel": 2, "ControlMode": 2}, {}, False),
        (ServiceID.DC_BPT, {"BPTChannel": 1, "ControlMode": 2}, {}, True),
        (ServiceID.DC, {"BPTChannel": 2, "ControlMode": 2}, {}, True),
        (ServiceID.DC_BPT, {"GeneratorMode": 1}, {}, True),
        (ServiceID.DC_BPT, {"GeneratorMode": 2}, {}, False),
    ],
    ids=str,
)
def test_a_set_of_direct_current(
    service: ServiceID, values: dict[str, int], settings: dict[str, Any], can: bool
) -> None:
    assert setup._can(talk_of(**settings), service, a_set(**values)) is can


@pytest.mark.parametrize(
    ("charger", "values", "can"),
    [
        (CHARGER, {"Connector": 1}, True),
        (CHARGER, {"Connector": 2}, True),
        (CHARGER, {"Connector": 9}, False),
        (CHARGER, {}, False),
        (AcVehicleLimits.of(current_a=16.0, phases=1), {"Connector": 1}, True),
        (AcVehicleLimits.of(current_a=16.0, phases=1), {"Connector": 2}, False),
        (CHARGER, {"Connector": 2, "GeneratorMode": 2}, False),
        (replace(CHARGER, forms_grid=True), {"Connector": 2, "GeneratorMode": 2}, True),
        (replace(CHARGER, forms_grid=True), {"Connector": 2, "GeneratorMode": 1}, True),
        (None, {"Connector": 2}, False),
    ],
)
def test_a_set_of_an_outlet(charger: Any, values: dict[str, int], can: bool) -> None:
    assert setup._can(talk_of(charger), ServiceID.AC_BPT, a_set(**values)) is can


@pytest.mark.parametrize(
    ("has", "wanted", "can"),
    [
        (None, None, False),
        (0b101, None, True),
        (0b101, 0, True),
        (0b100, 0, True),
        (0b100, None, True),
        (0b101, 0b100, True),
        (0b101, 0b110, False),
        (0, 1, False),
    ],
)
def test_an_inverter_has_every_function_of_its_set(has: int | None, wanted: int | None, can: bool) -> None:
    talk = talk_of(inverter=None if has is None else inverter(has))
    values = {"Connector": 2} if wanted is None else {"Connector": 2, "DERControlFunctions": wanted}
    assert setup._can(talk, ServiceID.AC_DER_IEC, a_set(**values)) is can


# -- which it likes best -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "connector", "lost"),
    [(ServiceID.AC, 2, 0), (ServiceID.AC, 1, 2), (ServiceID.DC, 1, 0), (ServiceID.DC, 4, 0)],
)
def test_phases_that_are_not_used_are_lost(service: ServiceID, connector: int, lost: int) -> None:
    assert setup._phases_lost(talk_of(), service, a_set(Connector=connector)) == lost
    assert setup._phases_lost(talk_of(None), service, a_set(Connector=connector)) == 0


@pytest.mark.parametrize(
    ("liked", "values", "order"),
    [
        ((BY_EVCC, BY_SECC), {}, (0, False)),
        ((BY_EVCC, BY_SECC), {"MobilityNeedsMode": 2}, (1, False)),
        ((BY_SECC,), {"MobilityNeedsMode": 2}, (0, False)),
        ((BY_SECC,), {"MobilityNeedsMode": 1}, (1, False)),
        ((BY_SECC, BY_EVCC), {"BPTChannel": 2}, (1, True)),
        ((BY_SECC, BY_EVCC), {"BPTChannel": 1}, (1, False)),
    ],
    ids=str,
)
def test_whose_needs_count_and_one_channel_rather_than_two(
    liked: Any, values: dict[str, int], order: tuple[int, bool]
) -> None:
    assert setup._nuisance(talk_of(mobility_needs=liked), ServiceID.DC_BPT, a_set(**values)) == order


@pytest.mark.parametrize(
    ("wish", "orders"),
    [
        (Wish.CHEAPEST, [0, 1, 2, 2]),
        (Wish.GREENEST, [0, 1, 2, 2]),
        (Wish.FASTEST, [0, 0, 0, 0]),
        (Wish.FIRST, [0, 0, 0, 0]),
    ],
)
def test_whoever_chooses_by_prices_likes_money_best(wish: Wish, orders: list[int]) -> None:
    talk = talk_of(schedules=ScheduleEvccSettings(choice=wish))
    sets = (a_set(Pricing=1), a_set(Pricing=2), a_set(Pricing=0), a_set())
    assert [setup._unpriced(talk, one) for one in sets] == orders


# -- parking -----------------------------------------------------------------------------------------------


def checking_out() -> tuple[Host, Hand]:
    host = Host()
    talk = host.session._talk
    talk.parking, talk.now = frozenset({CHECK_IN, CHECK_OUT}), 100.0
    return host, Hand(talk, value_added.check_out(talk))


def let_go(host: Host, status: str) -> Any:
    return host.response(cm.VehicleCheckOutRes, evse_check_out_status=cm.EvseCheckOutStatus[status])


def test_a_space_that_lets_go_is_left_at_once() -> None:
    host, hand = checking_out()
    said = [hand.request.ev_check_out_status.name]
    assert hand.request.check_out_time == 1_790_000_100
    hand.answer(let_go(host, "Completed"))
    assert [*said, hand.request.ev_check_out_status.name] == ["CheckOut", "Completed"]
    assert hand.answer(let_go(host, "Completed")).over
    assert host.session._talk.parking == {CHECK_IN}


@pytest.mark.parametrize(("stops", "asked_for_s"), [(False, 30.0), (True, 0.0)])
def test_a_space_that_does_not_let_go_is_asked_for_half_a_minute_or_until_a_stop(
    stops: bool, asked_for_s: float
) -> None:
    host, hand = checking_out()
    host.session._talk.stop_wanted = "driver" if stops else ""
    said = [hand.request.ev_check_out_status]
    while hand.answer(let_go(host, "Scheduled")).deadline is not None:
        hand.go_on()
        said.append(hand.request.ev_check_out_status)
    if hand.request is not None:
        said.append(hand.request.ev_check_out_status)
    names = [one.name for one in said]
    assert (names[0], names[-1]) == ("CheckOut", "Completed")
    assert set(names[1:-1]) <= {"Processing"}
    assert host.session._talk.now - 100.0 == pytest.approx(asked_for_s, abs=0.3)


def test_whoever_did_not_choose_it_does_not_check_out() -> None:
    host = Host()
    assert Hand(host.session._talk, value_added.check_out(host.session._talk)).over


# -- the envelope ------------------------------------------------------------------------------------------


def test_what_is_plainly_right_is_seen_at_once_and_nothing_else() -> None:
    own = Iso20(DC)

    def answer(code: str = "OK", session_id: bytes = SESSION_ID, stamp: int = 1_790_000_000) -> Any:
        header = MessageHeader(session_id=session_id, time_stamp=stamp)
        return cm.SessionStopRes(header=header, response_code=ResponseCode[code])

    assert own.plain(answer(), SESSION_ID) is cm.SessionStopRes
    assert own.plain(answer("FAILED"), SESSION_ID) is None
    assert own.plain(answer(session_id=bytes(8)), bytes(8)) is None
    assert own.plain(answer(session_id=b"\1" * 8), SESSION_ID) is None
    assert own.plain(answer(stamp=1_790_000_000_000), SESSION_ID) is None
    read = own.read(answer(stamp=1_790_000_000_000))
    assert read is not None
    assert read.deviates is not None
    header = MessageHeader(session_id=SESSION_ID, time_stamp=1_790_000_000)
    request = cm.SessionStopReq(header=header, charging_session=cm.ChargingSession.Terminate)
    foreign = app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation)
    for other in (request, foreign):
        assert own.plain(other, SESSION_ID) is None
        assert own.read(other) is None


def test_a_vehicle_for_a_connection_device_is_apart_and_its_drive_is_as_it_was_told() -> None:
    for locked in (False, True):
        mobility = ev.MobilityChanged(stands=True, immobilized=locked)
        session = EvccSession(
            EvccConfig(services=(ServiceID.DC_ACDP,)), VEHICLE, battery(), mobility=mobility
        )
        talk = session._talk
        assert (talk.mobility, talk.locked, talk.apart) == (mobility, locked, True)
        assert talk.wireless_supervisor is None
    plugged = EvccSession(EvccConfig(), VEHICLE, battery())._talk
    assert (plugged.mobility, plugged.apart) == (None, False)
