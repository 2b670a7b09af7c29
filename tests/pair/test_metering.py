"""Meter readings that the vehicle confirms in the charge loop with the key of its
contract, in whole sessions."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.config import Identification
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, MeteringConfirmed, ReceiptTold
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.contracts import EMAIDS, contract_pair, issued, trust
from tests.pair.test_plug_and_charge import Heard, charged
from tests.pair.watched import make


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
@pytest.mark.parametrize("service_id", [ServiceID.DC, ServiceID.MCS_BPT], ids=lambda one: one.name)
def test_meter_readings_are_confirmed_in_the_loop(service_id: ServiceID, mode: ControlMode) -> None:
    heard = Heard()
    rig = contract_pair(
        "p521",
        "contract-0",
        service=service_id,
        mode=mode,
        on_message=heard,
        secc={"metering_confirmation_s": 2.0},
    )
    rig.run()
    charged(rig)
    confirmed = heard.of(cm.MeteringConfirmationReq)
    assert len(confirmed) >= 3
    assert set(heard.codes(cm.MeteringConfirmationRes)) == {"OK"}
    readings = [one.signed_metering_data.meter_info.charged_energy_reading_wh for one in confirmed]
    assert readings == sorted(readings)
    assert readings[-1] > readings[0]
    scheduled = isinstance(confirmed[0].signed_metering_data.smdt_control_mode, cm.ScheduledSMDTControlMode)
    assert scheduled is (mode is ControlMode.SCHEDULED)


def test_after_a_confirmation_the_vehicle_has_no_more_time_than_in_the_loop() -> None:
    confirmed_at: list[float] = []

    def silent_after(sender: str, message: object, now: float) -> bool:
        if isinstance(message, cm.MeteringConfirmationRes):
            confirmed_at.append(now)
        return sender == "secc" or not confirmed_at

    rig = contract_pair("p521", "contract-0", on_message=silent_after, secc={"metering_confirmation_s": 1.0})
    rig.run(until=lambda: rig.secc.ended is not None)
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.TIMEOUT
    assert rig.now == pytest.approx(confirmed_at[0] + 0.5)


def test_no_confirmation_is_asked_for_without_a_contract() -> None:
    heard = Heard()
    rig = contract_pair(
        "p521",
        on_message=heard,
        secc={"metering_confirmation_s": 1.0},
        evcc={"identification": (Identification.EIM,)},
    )
    rig.run()
    charged(rig)
    assert heard.of(cm.MeteringConfirmationReq) == []


def test_a_confirmed_reading_is_news_with_its_evidence() -> None:
    rig = contract_pair("p521", "contract-0", secc={"metering_confirmation_s": 1.0})
    found: list[MeteringConfirmed] = []
    take = rig.monitor.secc

    def watch(event: Any, actions: Any, now: float) -> Any:
        found.extend(one for one in actions if isinstance(one, MeteringConfirmed))
        return take(event, actions, now)

    rig.monitor.secc = watch  # type: ignore[method-assign]
    rig.run()
    charged(rig)
    assert found
    assert {one.emaid for one in found} == {EMAIDS[0]}
    again = trust(issued("p521")).judge_metering(
        found[0].message.signed_metering_data,
        found[0].message.header.signature,
        issued("p521").certificates["contract-0"],
    )
    assert again.ok


@pytest.mark.parametrize(
    ("service", "mode"),
    [
        (ServiceID.DC, ControlMode.SCHEDULED),
        (ServiceID.AC_BPT, ControlMode.DYNAMIC),
        (ServiceID.WPT, ControlMode.DYNAMIC),
    ],
    ids=lambda one: one.name,
)
def test_the_application_of_the_vehicle_hears_what_it_is_to_cost(
    service: ServiceID, mode: ControlMode
) -> None:
    """Each receipt once, however often it is repeated: the contract signs it with the reading."""
    watched = make(service, mode).to(10)
    issued = ev.ReceiptIssued(energy=ev.Cost(12.5, 0.39), overstay=ev.Cost(1.0, 0.1), taxes=((3, 2.38),))
    watched.rig.tell_secc(issued)
    watched.to(40)
    watched.rig.tell_secc(ev.ReceiptIssued(energy=ev.Cost(12.75, 0.39)))
    watched.rig.run()
    first, last = watched.of(ReceiptTold)
    assert (first.energy, first.occupancy, first.services) == (issued.energy, None, None)
    assert (first.overstay, first.taxes) == (issued.overstay, issued.taxes)
    assert last.energy == ev.Cost(12.75, 0.39)
    assert last.at >= first.at
