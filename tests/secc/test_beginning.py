"""What a station's session knows before anybody has said anything: nothing is authorized, alive, closed or
asked for, and what was measured last was long ago.

Every field of this kind is looked at, so that a new one begins in the same way or is named here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.secc.din.context import SERVICE_ID
from iso15118.secc.din.context import Context as DinContext
from iso15118.secc.facts import Facts, Installation
from iso15118.secc.iso2.context import Context as Iso2Context
from iso15118.secc.iso2.replies import CHALLENGE_OCTETS, SERVICE_CERTIFICATE, SERVICE_CHARGE
from iso15118.secc.iso2.sequence import State
from iso15118.secc.wishes import Wish, Wishes
from iso15118.session import events as ev
from tests.secc.iso2.vehicle import Drive
from tests.secc.test_facts import NOW, facts

LONG_AGO = {"measured_at", "position_at", "meter_asked", "told_open_at"}
OTHERS: dict[type, dict[str, Any]] = {
    Facts: {"plain": True, "insulation_threshold_ohm": 100_000.0},
    Iso2Context: {"tuple_id": 1},
}


@pytest.mark.parametrize(
    "kind", [Facts, Installation, Iso2Context, DinContext, Wish, Wishes], ids=lambda kind: kind.__module__
)
def test_nothing_is_so_before_anybody_has_said_so(kind: Any) -> None:
    others = OTHERS.get(kind, {})
    for field in dataclasses.fields(kind):
        if isinstance(field.default, bool | int | float) and field.name not in LONG_AGO:
            assert field.default == others.get(field.name, type(field.default)()), field.name
        elif field.default is not dataclasses.MISSING and field.name not in LONG_AGO:
            assert field.default in (None, "", (), b"", bytes(1), bytes(8)), field.name


def test_nothing_was_measured_yet() -> None:
    known = facts()
    assert known.measured == ev.PowerMeasured(0.0, 0.0)
    assert known.ac_measured == ev.AcMeasured()
    assert known.pad == ev.PadMeasured()
    assert all(NOW - getattr(known, name) > 1e6 for name in LONG_AGO)
    assert not known.dead, "nobody has seen that nothing flows"


# -- what the older editions have numbers for


def test_the_services_of_the_older_editions_have_the_numbers_of_the_standard() -> None:
    assert (SERVICE_ID, SERVICE_CHARGE, SERVICE_CERTIFICATE) == (1, 1, 2)
    assert CHALLENGE_OCTETS == 16


@pytest.mark.parametrize(("charged_wh", "told"), [(0.0, 0), (4711.9, 4711), (1e15, 10**15)])
def test_a_meter_reading_is_told_in_whole_watt_hours(charged_wh: float, told: int) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.MeterRead("M" * 33, charged_wh, signature=bytes(64)))
    info = drive.loop().meter_info
    assert (info.meter_id, info.meter_reading, info.sig_meter_reading) == ("M" * 32, told, bytes(64))


@pytest.mark.parametrize("kind", [iso2.CertificateInstallationReq, iso2.CertificateUpdateReq])
def test_a_refused_contract_has_nothing_in_it(kind: type) -> None:
    """A refusal has to have all that the schema wants; none of it is a key."""
    answer = Drive().to(State.SERVICE_DISCOVERY).send(kind)
    assert answer.response_code.value == "FAILED_SequenceError"
    assert not any(answer.contract_signature_encrypted_private_key.value)
    assert not any(answer.dhpublickey.value)
