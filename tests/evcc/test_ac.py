"""A vehicle with AC at stations that say odd things: an SECC of ours whose answers
are changed on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig, SeccSession
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from tests.evcc.station import battery
from tests.pair.ac_rig import AC_SERVICES, ac_pair, total_w, until_charging

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
Change = Callable[[Any], Any]


class Odd(SeccSession):
    """A station whose messages of one kind are changed."""

    def __init__(self, kind: type, change: Change, outlet: AcStationLimits) -> None:
        # What it measures is not what it asked for: that is the subject here.
        limits = SupervisionLimits(off=(Rule.REVERSE_CURRENT, Rule.OVER_POWER, Rule.OVER_CURRENT))
        config = SeccConfig(services=AC_SERVICES, supervision=limits)
        super().__init__(config, None, ac=outlet, epoch=1.79e9)
        self._kind, self._change = kind, change

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        return [
            act.Send(self._change(action.message))
            if isinstance(action, act.Send) and type(action.message) is self._kind
            else action
            for action in super().handle(event, now)
        ]


def at_odd(
    kind: type, change: Change, service: ServiceID = ServiceID.AC, mode: ControlMode = DYNAMIC, **options: Any
) -> Any:
    back = 32.0 if service is ServiceID.AC_BPT else 0.0
    phases = options.get("phases", 3)
    outlet = AcStationLimits.of(current_a=32.0, phases=phases, discharge_a=back)
    return ac_pair(service, mode, outlet=outlet, contrary_station=Odd(kind, change, outlet), **options)


def targets(**fields: float) -> Change:
    def change(answer: ac.ACChargeLoopRes) -> ac.ACChargeLoopRes:
        mode = replace(
            answer.cl_res_control_mode,
            **{f"evse_target_active_power{at}": rational(watts) for at, watts in fields.items()},
        )
        return replace(answer, cl_res_control_mode=mode)

    return change


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
@pytest.mark.parametrize(
    ("target", "power"),
    [(3_000.0, 0.0), (1_379.0 * 3, 0.0), (1_380.0 * 3, 4_140.0), (9_000.0, 9_000.0), (30_000.0, 11_040.0)],
)
def test_a_target_is_followed_within_the_own_limits(mode: ControlMode, target: float, power: float) -> None:
    pair = at_odd(ac.ACChargeLoopRes, targets(**{"": target}), mode=mode)
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    pair.let_pass(8.0)
    assert total_w(pair) == pytest.approx(power, abs=1.0)


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
@pytest.mark.parametrize("service", AC_SERVICES)
def test_a_negative_target_is_followed_only_in_a_service_for_it(
    service: ServiceID, mode: ControlMode
) -> None:
    pair = at_odd(ac.ACChargeLoopRes, targets(**{"": -6_000.0}), service, mode)
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    pair.let_pass(1.9)
    assert total_w(pair) == pytest.approx(-6_000.0 if service is ServiceID.AC_BPT else 0.0, abs=1.0)
    assert ("negative-target" in pair.evcc._talk.noted) is (service is ServiceID.AC)


def test_a_vehicle_that_does_not_give_is_not_made_to() -> None:
    pair = at_odd(
        ac.ACChargeLoopRes, targets(**{"": -6_000.0}), ServiceID.AC_BPT, evcc={"allow_discharge": False}
    )
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    pair.let_pass(8.0)
    assert total_w(pair) == 0.0


def test_peers_of_a_single_phase_are_left_out_of_account() -> None:
    pair = at_odd(ac.ACChargeLoopRes, targets(**{"": 2_000.0, "_l2": 9_000.0, "_l3": 9_000.0}), phases=1)
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    pair.let_pass(8.0)
    assert pair.station.circuit.power_w == pytest.approx((2_000.0, 0.0, 0.0), abs=1.0)


def test_an_even_vehicle_takes_the_least_of_uneven_targets() -> None:
    pair = at_odd(ac.ACChargeLoopRes, targets(**{"": 3_000.0, "_l2": 2_000.0, "_l3": 2_500.0}))
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    pair.let_pass(8.0)
    assert pair.station.circuit.power_w == pytest.approx((2_000.0, 2_000.0, 2_000.0), abs=1.0)


def offers(**fields: float) -> Change:
    def change(answer: ac.ACChargeParameterDiscoveryRes) -> ac.ACChargeParameterDiscoveryRes:
        mode = replace(
            answer.ac_cpd_res_energy_transfer_mode,
            **{name: rational(value) for name, value in fields.items()},
        )
        return replace(answer, ac_cpd_res_energy_transfer_mode=mode)

    return change


@pytest.mark.parametrize(
    ("fields", "leaves"),
    [
        ({"evse_nominal_frequency": 16.7}, True),
        ({"evse_nominal_frequency": 60.0}, False),
        ({"evse_maximum_charge_power": -5.0}, True),
        ({"evse_minimum_charge_power": 30_000.0}, True),
        ({"evse_power_ramp_limitation": 0.0}, False),
        ({"evse_power_ramp_limitation": -3.0}, False),
        ({"maximum_power_asymmetry": 0.0}, False),
    ],
)
def test_an_offer_that_makes_no_sense_is_left(fields: dict[str, float], leaves: bool) -> None:
    pair = at_odd(ac.ACChargeParameterDiscoveryRes, offers(**fields))
    pair.run()
    assert pair.evcc.error is None
    assert pair.evcc.ended.reason is (
        EndReason.PARAMETERS_NOT_ACCEPTED if leaves else EndReason.STOPPED_BY_EV
    )
    assert pair.station.outlet.closings == (0 if leaves else 1)


def test_a_vehicle_keeps_within_the_offer_whatever_the_target() -> None:
    pair = at_odd(ac.ACChargeParameterDiscoveryRes, offers(evse_maximum_charge_power=6_000.0))
    until_charging(pair)
    assert total_w(pair) == pytest.approx(6_000.0, abs=1.0)


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
def test_a_loop_answer_of_another_kind_ends_the_session_safely(mode: ControlMode) -> None:
    other = ac.ScheduledACCLResControlMode() if mode is DYNAMIC else ac.BPTScheduledACCLResControlMode()
    pair = at_odd(ac.ACChargeLoopRes, lambda answer: replace(answer, cl_res_control_mode=other), mode=mode)
    pair.run()
    assert pair.evcc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    pair.let_pass(1.0)
    assert not pair.station.outlet.closed
    assert not pair.evcc.energized


def test_a_station_without_a_nominal_voltage_is_noted() -> None:
    def without(answer: cm.ServiceDetailRes) -> cm.ServiceDetailRes:
        sets = tuple(
            replace(one, parameter=tuple(p for p in one.parameter if p.name != "EVSENominalVoltage"))
            for one in answer.service_parameter_list.parameter_set
        )
        return replace(answer, service_parameter_list=cm.ServiceParameterList(parameter_set=sets))

    pair = at_odd(cm.ServiceDetailRes, without)
    pair.run()
    assert pair.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert "nominal-voltage" in pair.evcc._talk.noted


@pytest.mark.parametrize("kind", [ac.ACChargeLoopRes, ac.ACChargeParameterDiscoveryRes, cm.PowerDeliveryRes])
def test_a_refusal_stops_the_charger_first(kind: type) -> None:
    pair = at_odd(kind, lambda answer: replace(answer, response_code=ResponseCode.FAILED))
    pair.monitor.secc = lambda event, actions, now: actions  # the station does not mean what it says here
    pair.run()
    assert pair.evcc.ended.reason is EndReason.REFUSED
    assert not pair.evcc.energized
    assert not any(pair.vehicle.charger.power_w)


# -- which protocols are offered ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "charger", "direct", "namespaces"),
    [
        ((ServiceID.AC,), True, False, ["AC"]),
        ((ServiceID.DC,), True, True, ["DC"]),
        ((ServiceID.AC_BPT, ServiceID.DC), True, True, ["AC", "DC"]),
        ((ServiceID.DC, ServiceID.AC), True, True, ["DC", "AC"]),
        ((ServiceID.DC, ServiceID.AC), False, True, ["DC"]),
        ((ServiceID.DC, ServiceID.AC), True, False, ["AC"]),
        ((ServiceID.DC,), True, False, []),
    ],
)
def test_what_is_offered_follows_services_and_hardware(
    services: tuple[ServiceID, ...], charger: bool, direct: bool, namespaces: list[str]
) -> None:
    from tests.evcc.station import VEHICLE

    session = EvccSession(
        EvccConfig(services=services),
        VEHICLE if direct else None,
        battery(),
        charger=AcVehicleLimits.of(current_a=16.0) if charger else None,
    )
    actions = session.handle(ev.Connected(secure=True), 0.0)
    sent = [action.message for action in actions if isinstance(action, act.Send)]
    offered = [entry.protocol_namespace.rsplit(":", 1)[1] for one in sent for entry in one.app_protocol]
    assert offered == namespaces
    if not namespaces:
        assert session.ended is not None
        assert session.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED


def test_a_session_without_any_side_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        EvccSession(EvccConfig(), None, battery())
    assert error.value.key == "limits"
