"""A charge by contract with a pause in it: the contract goes on paying, and goes on
signing what the meter says."""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.session.actions import EndReason
from iso15118.session.events import PauseRequested
from iso15118.simulation.backend import ContractBackend, accept_emaids
from iso15118.testing import Pair
from tests.pair.contracts import EMAIDS, contract_pair, held, issued, trust
from tests.pair.test_plug_and_charge import Heard

METERING = {"metering_confirmation_s": 2.0}


def paused() -> Pair:
    rig = contract_pair("p521", "contract-0", "contract-1", secc=METERING)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_evcc(PauseRequested("a better price"))
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    assert (rig.secc.ended.reason, rig.evcc.ended.reason) == (EndReason.PAUSED,) * 2
    assert rig.secc.ticket is not None
    assert rig.evcc.ticket is not None
    assert rig.secc.ticket.emaid == rig.evcc.ticket.emaid == EMAIDS[0]
    return rig


def test_the_contract_pays_and_signs_after_the_pause() -> None:
    first = paused()
    heard = Heard()
    assert first.secc.ticket is not None
    rig = contract_pair(
        "p521",
        store=held(issued("p521"), "contract-1", "contract-0"),
        secc=METERING,
        on_message=heard,
        now=3600.0,
        paused=(first.secc.ticket,),
        resume=first.evcc.ticket,
    )
    rig.run()
    assert heard.codes(cm.SessionSetupRes) == ["OK_OldSessionJoined"]
    assert heard.of(cm.AuthorizationReq) == []
    assert rig.secc.emaid == rig.evcc.emaid == EMAIDS[0], "not the one that comes first now"
    confirmed = heard.codes(cm.MeteringConfirmationRes)
    assert confirmed
    assert set(confirmed) == {"OK"}
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV


def test_a_contract_that_pays_no_longer_ends_the_session_that_goes_on() -> None:
    first = paused()
    assert first.secc.ticket is not None
    backend = ContractBackend(trust(issued("p521")), accept_emaids((EMAIDS[1],)))
    rig = contract_pair(
        "p521",
        "contract-0",
        backend=backend,
        now=3600.0,
        paused=(first.secc.ticket,),
        resume=first.evcc.ticket,
    )
    rig.run()
    assert [claim.emaid for claim in backend.claims] == [EMAIDS[0]]
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_STATION
    assert rig.secc.ended.detail.startswith("authorization withdrawn: ")
    assert rig.loops == 0, "no energy that nobody pays for"


def test_a_vehicle_that_lost_the_contract_begins_anew_with_another() -> None:
    first = paused()
    heard = Heard()
    assert first.secc.ticket is not None
    rig = contract_pair(
        "p521",
        "contract-1",
        on_message=heard,
        now=3600.0,
        paused=(first.secc.ticket,),
        resume=first.evcc.ticket,
    )
    rig.run()
    assert heard.of(cm.SessionSetupReq)[0].header.session_id == bytes(8)
    assert rig.secc.emaid == EMAIDS[1]
    assert rig.secc.used_tickets == (first.secc.ticket,)
