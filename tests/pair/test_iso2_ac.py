"""Both ends of ISO 15118-2 over alternating current, over octets and under the safety monitor."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.messages import iso2
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.messages.physical import quantity
from iso15118.secc.iso2.settings import Iso2SeccSettings
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.test_iso2 import Heard, reasons

OUTLET = (EnergyTransferMode.AC_three_phase_core, EnergyTransferMode.AC_single_phase_core)


def spoken(heard: Heard, *, phases: int = 3, evcc: Any = None, **options: Any) -> Pair:
    modes = OUTLET if phases == 3 else OUTLET[1:]
    return ac_pair(
        phases=phases,
        secc={"editions": ("iso2",), "iso2": Iso2SeccSettings(energy_transfer_modes=modes)},
        evcc={"editions": ("iso2",)} | (evcc or {}),
        on_message=heard,
        secure=False,
        **options,
    )


@pytest.mark.parametrize(
    ("phases", "car", "mode", "power"),
    [
        (3, 3, "AC_three_phase_core", 11_040.0),
        (3, 1, "AC_single_phase_core", 3_680.0),
        (1, 3, "AC_single_phase_core", 3_680.0),
        (1, 1, "AC_single_phase_core", 3_680.0),
    ],
)
def test_a_charge_with_the_phases_that_both_have(phases: int, car: int, mode: str, power: float) -> None:
    heard = Heard()
    rig = spoken(heard, phases=phases, car_phases=car)
    rig.run(until=lambda: rig.loops >= 40)
    rig.let_pass(5.0)
    assert rig.evcc._talk.charger_measured.total_w == pytest.approx(power, rel=0.01)
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    asked = heard.of(iso2.ChargeParameterDiscoveryReq)[0]
    assert asked.requested_energy_transfer_mode.value == mode
    assert heard.refusals() == []
    assert heard.progresses() == ["Start", "Stop"]


def test_a_new_plan_of_the_station_is_negotiated_with_the_contactor_closed() -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 6_900.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 2, max_s=600.0)
    rig.let_pass(10.0)
    assert rig.evcc._talk.charger_measured.total_w == pytest.approx(6_900.0, rel=0.01)
    rig.tell_secc(ev.StopRequested("button"))
    rig.run()
    assert reasons(rig)[1] is EndReason.STOPPED_BY_STATION
    assert heard.refusals() == []


def test_an_outlet_that_is_held_back_is_followed() -> None:
    heard = Heard()
    rig = spoken(heard, evcc={"iso2": Iso2EvccSettings(ac_loop_interval_s=0.1)})
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 0.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 2, max_s=600.0)
    rig.let_pass(10.0)
    assert abs(rig.evcc._talk.charger_measured.total_w) < 100.0
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 11_040.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 3, max_s=600.0)
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert heard.refusals() == []


def test_a_pause_and_what_comes_after_it() -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_evcc(ev.PauseRequested("later"))
    rig.run()
    assert reasons(rig) == (EndReason.PAUSED,) * 2
    assert rig.secc.ticket is not None
    again = Heard()
    second = spoken(again, now=3600.0, paused=(rig.secc.ticket,), resume=rig.evcc.ticket)
    second.run()
    assert [body.response_code.value for body in again.of(iso2.SessionSetupRes)] == ["OK_OldSessionJoined"]
    assert reasons(second) == (EndReason.STOPPED_BY_EV,) * 2
    before, after = (h.of(iso2.ChargeParameterDiscoveryReq)[0].ev_charge_parameter for h in (heard, again))
    assert quantity(after.e_amount) <= quantity(before.e_amount)
