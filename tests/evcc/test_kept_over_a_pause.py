"""What a vehicle of ISO 15118-20 keeps over a pause: all that the parameter set says, whether the station
changes services, and when it leaves, since it goes on with all of that.

One vehicle pauses, and another conversation goes on with its ticket, as it is stored.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import pause
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.session.ac_limits import Islanding
from iso15118.session.secured import TlsPeer
from iso15118.session.services import SERVICES, ControlMode, MobilityNeedsMode, Namespace, ServiceID
from iso15118.session.ticket import EvccTicket
from tests.evcc.hand import Hand
from tests.evcc.station import SESSION_ID, Host

DYNAMIC = ControlMode.DYNAMIC


def joined(talk: Conversation, plan: Plan, ticket: EvccTicket) -> bool:
    """Go on with it, at a station that knows it."""
    talk.resume = ticket
    hand = Hand(talk, pause.session_setup(talk, plan))
    header = MessageHeader(session_id=SESSION_ID, time_stamp=1_790_000_000)
    code = ResponseCode.OK_OldSessionJoined
    hand.answer(cm.SessionSetupRes(header=header, response_code=code, evseid="DE*ABC*E1"))
    return hand.result is True


def paused(config: EvccConfig) -> Conversation:
    """A vehicle that can be known again."""
    talk = Host(config=config).session._talk
    talk.session_id, talk.plain, talk.secure = SESSION_ID, False, True
    talk.tls = TlsPeer(version="TLSv1.3", peer_chain=(b"station",))
    return talk


@pytest.mark.parametrize("forms_grid", [True, False])
@pytest.mark.parametrize("islanding", [None, *Islanding])
@pytest.mark.parametrize("needs", list(MobilityNeedsMode), ids=lambda one: one.name)
def test_what_the_parameter_set_says_holds_after_a_pause(
    forms_grid: bool, islanding: Islanding | None, needs: MobilityNeedsMode
) -> None:
    talk = paused(EvccConfig(services=(ServiceID.AC_BPT,), control_modes=(DYNAMIC,)))
    before, after = Plan(namespace=Namespace.AC.value), Plan(namespace=Namespace.AC.value)
    before.service, before.parameter_set_id = SERVICES[ServiceID.AC_BPT], 7
    before.control_mode, before.mobility_needs_mode, before.separate_channels = DYNAMIC, needs, True
    before.ac.phases, before.ac.nominal_voltage_v, before.ac.der_functions = 3, 231.0, 5
    before.ac.forms_grid, before.ac.islanding = forms_grid, islanding
    before.may_change_service = forms_grid
    kept = pause.keep(talk, before)
    assert kept is not None

    assert joined(talk, after, EvccTicket.from_bytes(kept.to_bytes()))
    assert after.ac == before.ac
    for name in (
        "service",
        "parameter_set_id",
        "control_mode",
        "mobility_needs_mode",
        "separate_channels",
        "may_change_service",
    ):
        assert getattr(after, name) == getattr(before, name), name


@pytest.mark.parametrize("departure_s", [7200, None])
def test_a_pause_does_not_move_the_departure(departure_s: int | None) -> None:
    """Each of the two sessions has a clock of its own."""
    config = EvccConfig(departure_time_s=departure_s)
    before, after = paused(config), paused(config)
    plan = Plan(namespace=Namespace.DC.value)
    plan.service = SERVICES[ServiceID.DC]
    before.now, before.epoch = 1000.0, 1.79e9
    kept = pause.keep(before, plan)
    assert kept is not None
    ticket = EvccTicket.from_bytes(kept.to_bytes())
    assert ticket.departure_at == (None if departure_s is None else 1.79e9 + 7200.0)

    after.epoch = 1.79e9 + 5000.0
    after.now, after.departure_at = 400.0, None if departure_s is None else 400.0 + 7200.0
    assert joined(after, Plan(namespace=Namespace.DC.value), ticket)
    assert after.departure_at == (None if departure_s is None else 2200.0)


def test_a_ticket_without_a_departure_leaves_the_one_of_the_settings() -> None:
    talk = paused(EvccConfig(departure_time_s=7200))
    plan = Plan(namespace=Namespace.DC.value)
    plan.service = SERVICES[ServiceID.DC]
    kept = pause.keep(talk, plan)
    assert kept is not None
    assert joined(talk, plan, replace(kept, departure_at=None))
    assert talk.departure_at == 7200.0
