"""Neutral values of message types: every response of the enveloped editions has one that its schema takes."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118 import exi
from iso15118.errors import MisuseError
from iso15118.messages import din, iso2
from iso15118.messages.neutral import neutral

RESPONSES = [
    (schema, module, name)
    for schema, module in (("din", din), ("iso2", iso2))
    for name in module.__all__
    # Keys of contracts have lengths of their own.
    if name.endswith("Res") and not (schema == "iso2" and name.startswith("Certificate"))
]


@pytest.mark.parametrize(
    ("schema", "module", "name"), RESPONSES, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_response_can_be_sent_without_meaning_anything(schema: str, module: Any, name: str) -> None:
    """Octets and texts have least lengths and numbers least values, which the class does not
    say: the caller gives them."""
    code = module.ResponseCode.FAILED
    body = neutral(
        getattr(module, name), {module.ResponseCode: code, bytes: bytes(16), str: "ZZ00000", int: 1}
    )
    assert body.response_code is code
    message = module.V2GMessage(
        header=module.MessageHeader(session_id=bytes(8)), body=module.Body(body_element=body)
    )
    assert exi.decode(schema, exi.encode(schema, message)) == message


def test_what_is_optional_is_left_out_and_what_is_known_is_taken() -> None:
    status = din.DCEVSEStatus(
        evse_status_code=din.DCEVSEStatusCode.EVSE_Shutdown,
        notification_max_delay=3,
        evse_notification=din.EVSENotification.StopCharging,
    )
    known = {din.DCEVSEStatus: status, din.ResponseCode: din.ResponseCode.FAILED}
    answer = neutral(din.CurrentDemandRes, known)
    assert answer.dc_evse_status is status
    assert answer.evse_maximum_current_limit is None
    assert answer.evse_present_voltage == din.PhysicalValue(multiplier=0, value=0)
    # Of a choice the branch that is known is taken, otherwise the first one.
    assert neutral(din.PowerDeliveryRes, known).evse_status is status
    assert isinstance(neutral(din.PowerDeliveryRes, {}).evse_status, din.ACEVSEStatus)
    assert neutral(din.CurrentDemandRes, {}).response_code is din.ResponseCode.OK


def test_lists_have_one_entry_and_plain_values_are_empty() -> None:
    schedules = neutral(din.SAScheduleList, {})
    (schedule,) = schedules.sa_schedule_tuple
    assert len(schedule.p_max_schedule.p_max_schedule_entry) == 1
    assert schedule.p_max_schedule.p_max_schedule_entry[0].p_max == 0
    assert [neutral(kind, {}) for kind in (bool, int, str, bytes)] == [False, 0, "", b""]
    assert neutral(int, {int: 7}) == 7


@pytest.mark.parametrize("kind", [float, dict, None, list[int], "Struct"])
def test_what_is_no_type_of_a_message_is_refused(kind: Any) -> None:
    with pytest.raises(MisuseError):
        neutral(kind, {})
