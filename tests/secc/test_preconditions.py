"""What has to be on record before power: each part that is missing refuses the step by itself.

No conversation leads there; so each part is taken out of the facts by hand. Hardware comes first here, too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import iso15118
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import ac, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.delivery import still_delivers
from iso15118.secc.iso2.pause import why_no_pause as of_iso2
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.pause import why_no_pause as of_iso20
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from tests.secc.ac_vehicle import AcDrive
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.outlet import AcDrive as OutletDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.iso2.vehicle import settings
from tests.secc.pad import PadDrive
from tests.secc.vehicle import Drive

S = State
Make = Callable[[], Any]
STEPS: dict[str, tuple[Make, Any, type, dict[str, Any]]] = {
    # the drive, the state to which it is brought, the request, and what is missing each time
    "DC pre-charge": (Drive, S.DC_PRE_CHARGE, dc.DCPreChargeReq, {"cable_check_ok": False}),
    "DC start": (
        Drive,
        S.POWER_DELIVERY,
        cm.PowerDeliveryReq,
        {"authorized": False, "cable_check_ok": False, "precharge_started": None},
    ),
    "DC loop": (
        Drive,
        S.DC_CHARGE_LOOP,
        dc.DCChargeLoopReq,
        {"contactors_closed": False, "vehicle": None, "limits": None},
    ),
    "AC start": (
        AcDrive,
        S.POWER_DELIVERY,
        cm.PowerDeliveryReq,
        {"authorized": False, "ac_limits": None, "ac_vehicle": None},
    ),
    "AC loop": (
        AcDrive,
        S.AC_CHARGE_LOOP,
        ac.ACChargeLoopReq,
        {"contactors_closed": False, "ac_vehicle": None, "ac_limits": None},
    ),
    "alignment": (
        PadDrive,
        S.WPT_ALIGNMENT_CHECK,
        wpt.WPTAlignmentCheckReq,
        {"authorized": False, "wpt.paired": False, "pad_vehicle": None},
    ),
    "WPT start": (
        PadDrive,
        S.POWER_DELIVERY,
        cm.PowerDeliveryReq,
        {"authorized": False, "wpt.paired": False, "wpt.aligned": False, "pad_vehicle": None},
    ),
    "WPT loop": (
        PadDrive,
        S.WPT_CHARGE_LOOP,
        wpt.WPTChargeLoopReq,
        {"delivered": False, "wpt.aligned": False, "pad_vehicle": None},
    ),
    "ISO 15118-2 DC start": (
        Iso2Drive,
        Iso2State.POWER_DELIVERY,
        iso2.PowerDeliveryReq,
        {"authorized": False, "cable_check_ok": False, "precharge_started": None},
    ),
    "ISO 15118-2 DC loop": (
        Iso2Drive,
        Iso2State.CURRENT_DEMAND,
        iso2.CurrentDemandReq,
        {"contactors_closed": False, "vehicle": None, "limits": None},
    ),
    "ISO 15118-2 AC loop": (
        lambda: OutletDrive().charging(),
        None,
        iso2.ChargingStatusReq,
        {"contactors_closed": False, "ac_limits": None},
    ),
    "DIN 70121 start": (
        DinDrive,
        DinState.POWER_DELIVERY,
        din.PowerDeliveryReq,
        {"authorized": False, "cable_check_ok": False, "precharge_started": None},
    ),
    "DIN 70121 loop": (
        DinDrive,
        DinState.CURRENT_DEMAND,
        din.CurrentDemandReq,
        {"contactors_closed": False, "vehicle": None, "limits": None},
    ),
}


@pytest.mark.parametrize(
    ("step", "missing"), [(step, one) for step, parts in STEPS.items() for one in parts[3]], ids=str
)
def test_a_step_is_refused_where_one_thing_is_missing(step: str, missing: str) -> None:
    make, state, request, parts = STEPS[step]
    drive = make()
    if state is not None:
        drive.to(state)
    holder: Any = drive.session._facts
    if missing.startswith("wpt."):
        holder = drive.context.wpt
    setattr(holder, missing.removeprefix("wpt."), parts[missing])
    drive.send(request)
    ended = drive.session.ended
    assert ended is not None
    assert (ended.reason, ended.detail.partition(" without ")[2]) == (
        EndReason.INTERNAL_ERROR,
        "its preconditions",
    )
    stops = [type(one) for one in drive.book.actions if isinstance(one, act.StopPower | act.OpenContactors)]
    assert stops[:2] == [act.StopPower, act.OpenContactors]


@pytest.mark.parametrize(
    ("closed", "delivered", "told_safe", "may"),
    [
        (True, True, False, True),
        (False, True, False, False),
        (True, False, False, False),
        (True, True, True, False),
    ],
)
def test_power_comes_back_without_a_check_where_contactors_stayed_closed_all_the_time(
    closed: bool, delivered: bool, told_safe: bool, may: bool
) -> None:
    drive = Iso2Drive(settings(dc_renegotiation_short="accept")).to(Iso2State.CURRENT_DEMAND)
    facts = drive.session._facts
    facts.contactors_closed, facts.delivered, facts.told_safe = closed, delivered, told_safe
    assert (still_delivers(drive.context) == "") is may


@pytest.mark.parametrize("edition", ["iso2", "iso20"])
@pytest.mark.parametrize(
    ("energized", "closed", "may"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_a_session_pauses_where_nothing_is_asked_for_and_contactors_are_open(
    edition: str, energized: bool, closed: bool, may: bool
) -> None:
    drive: Any = Iso2Drive() if edition == "iso2" else Drive()
    state: Any = Iso2State.WELDING_DETECTION if edition == "iso2" else S.DC_WELDING_DETECTION
    drive.to(state).context.state = state
    why = of_iso2 if edition == "iso2" else of_iso20
    facts = drive.session._facts
    facts.evccid = facts.evccid or "0123456789AB"
    facts.energized, facts.contactors_closed = energized, closed
    assert (why(drive.context) == "the output is not safe") is not may


def test_a_station_asks_to_close_contactors_in_one_place_of_each_kind() -> None:
    """So there is no way round what is on record there."""
    package = Path(iso15118.__file__).parent
    asks = [
        path.relative_to(package).as_posix()
        for room in ("secc", "connector", "session")
        for path in package.joinpath(room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "CloseContactors"
    ]
    assert sorted(asks) == ["connector/basic/station.py", "secc/ac_outlet.py", "secc/dc_output.py"]
