"""Both ends of ISO 15118-2 against each other, over octets and under the safety monitor: charges,
contracts, pauses and negotiations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.evcc.iso2.settings import DcRenegotiation, Iso2EvccSettings
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.vehicle_contracts import HeldContracts
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.simulation.backend import ContractBackend
from iso15118.testing import Pair
from tests.evcc.iso2.contracts import EMAIDS, held, pki
from tests.evcc.iso2.test_plug_and_charge import service
from tests.pair.rig import pair


class Heard:
    """Everything that was said, as bodies, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def __call__(self, sender: str, message: object, now: float) -> None:
        if isinstance(message, iso2.V2GMessage):
            self.said.append(message.body.body_element)

    def of(self, kind: type) -> list[Any]:
        return [body for body in self.said if type(body) is kind]

    def progresses(self) -> list[str]:
        return [body.charge_progress.value for body in self.of(iso2.PowerDeliveryReq)]

    def refusals(self) -> list[str]:
        codes = [getattr(body, "response_code", None) for body in self.said]
        return [code.value for code in codes if code is not None and code.value.startswith("FAILED")]


def spoken(heard: Heard, *, secc: Any = None, evcc: Any = None, **options: Any) -> Pair:
    """A pair that speaks this edition alone, in the clear where nothing else is said."""
    options.setdefault("secure", False)
    return pair(
        secc={"editions": ("iso2",)} | (secc or {}),
        evcc={"editions": ("iso2",)} | (evcc or {}),
        on_message=heard,
        **options,
    )


def reasons(rig: Pair) -> tuple[EndReason, EndReason]:
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    return rig.secc.ended.reason, rig.evcc.ended.reason


def test_a_charge_from_begin_to_end() -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert heard.refusals() == []
    assert heard.progresses() == ["Start", "Stop"]
    assert 44.9 <= rig.vehicle.battery_state(rig.now).soc <= 45.1
    assert not rig.vehicle.inlet.closed
    assert not rig.station.outlet.closed
    assert rig.evcc.states[-4:-1] == ["PowerDelivery", "WeldingDetection", "SessionStop"]


@pytest.mark.parametrize(
    ("tell", "ended"),
    [
        (lambda rig: rig.tell_secc(ev.StopRequested("button")), EndReason.STOPPED_BY_STATION),
        (lambda rig: rig.tell_evcc(ev.StopRequested("driver")), EndReason.STOPPED_BY_EV),
    ],
    ids=["station", "vehicle"],
)
def test_either_side_ends_the_charge(tell: Callable[[Pair], None], ended: EndReason) -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run(until=lambda: rig.loops >= 40)
    tell(rig)
    rig.run()
    assert reasons(rig)[1] is ended
    assert heard.refusals() == []
    assert quantity(heard.of(iso2.CurrentDemandReq)[-1].ev_target_current) == 0.0
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly


def test_an_emergency_of_the_station_is_no_winding_down() -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_secc(ev.EmergencyShutdown("button"))
    rig.run()
    assert reasons(rig)[0] is EndReason.EMERGENCY
    assert not reasons(rig)[1].orderly
    rig.let_pass(1.0)
    assert not rig.vehicle.inlet.closed


@pytest.mark.parametrize("form", list(DcRenegotiation), ids=lambda form: form.name)
def test_a_new_plan_of_the_station_is_negotiated(form: DcRenegotiation) -> None:
    heard = Heard()
    rig = spoken(heard, evcc={"iso2": Iso2EvccSettings(dc_renegotiation=form)})
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 20_000.0),),)))
    rig.run(until=lambda: heard.progresses() == ["Start", "Renegotiate", "Start"], max_s=600.0)
    rig.run(until=lambda: rig.loops >= 200, max_s=600.0)
    last = heard.of(iso2.CurrentDemandReq)[-1]
    power = quantity(last.ev_target_current) * rig.vehicle.battery_state(rig.now).voltage_v
    assert 19_000.0 <= power <= 20_000.0
    assert len(heard.of(iso2.CableCheckReq)) >= (2 if form is DcRenegotiation.FULL else 1)
    rig.tell_evcc(ev.StopRequested("enough"))
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert heard.refusals() == []


def test_a_schedule_that_ends_is_negotiated_again() -> None:
    heard = Heard()
    rig = spoken(heard, battery={"target_soc": 60.0})
    rig.start()
    rig.tell_secc(ev.PlanChanged(plans=(((120.0, 50_000.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 2, max_s=900.0)
    assert heard.progresses() == ["Start", "Renegotiate", "Start"]
    assert heard.refusals() == []


def test_a_station_that_rests_the_power_and_gives_it_again() -> None:
    heard = Heard()
    rig = spoken(heard)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 0.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 2, max_s=600.0)
    rig.let_pass(120.0)
    assert quantity(heard.of(iso2.CurrentDemandReq)[-1].ev_target_current) == 0.0
    rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 40_000.0),),)))
    rig.run(until=lambda: heard.progresses().count("Start") == 3, max_s=900.0)
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
    assert rig.evcc.ticket is not None
    again = Heard()
    second = spoken(
        again, now=3600.0, paused=(rig.secc.ticket,), resume=rig.evcc.ticket, battery={"soc": 41.0}
    )
    second.run()
    assert [body.response_code.value for body in again.of(iso2.SessionSetupRes)] == ["OK_OldSessionJoined"]
    assert reasons(second) == (EndReason.STOPPED_BY_EV,) * 2
    assert again.refusals() == []


# -- contracts


def contracted(heard: Heard, *names: str, installs: bool = False, **options: Any) -> Pair:
    trust = ContractTrust(mo_anchors=(pki().certificates["mo-root"],), edition="iso2")
    backend = ContractBackend(trust, service=service() if installs else None)
    return spoken(
        heard,
        secure=True,
        tls_version="TLSv1.2",
        station_options={"contracts": backend},
        vehicle_options={"contracts": HeldContracts(held(*names))},
        **options,
    )


def test_a_contract_pays() -> None:
    heard = Heard()
    rig = contracted(heard, "contract-0", "contract-1", evcc={"contract_preferences": (EMAIDS[1],)})
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert heard.of(iso2.PaymentDetailsReq)[0].emaid == EMAIDS[1]
    assert rig.secc.emaid == rig.evcc.emaid == EMAIDS[1]
    assert heard.refusals() == []


def test_a_contract_is_installed_and_pays() -> None:
    heard = Heard()
    rig = contracted(heard, installs=True)
    rig.run()
    assert len(heard.of(iso2.CertificateInstallationRes)) == 1
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert rig.evcc.installed == 1
    assert heard.refusals() == []


def test_receipts_are_asked_for_given_and_accepted() -> None:
    heard = Heard()
    rig = contracted(heard, "contract-0", secc={"metering_confirmation_s": 2.0})
    rig.run()
    assert reasons(rig) == (EndReason.STOPPED_BY_EV,) * 2
    assert heard.of(iso2.MeteringReceiptReq)
    assert heard.refusals() == []
