"""What a vehicle of DIN 70121 makes of a station that is not ready: before there is power it is waited for,
under power it is an end.

The functions are called with a status alone.
"""

from __future__ import annotations

import pytest

from iso15118.evcc.conversation import Leave
from iso15118.evcc.din.status import leave_on_end, wants_to_end
from iso15118.messages import din
from iso15118.session.actions import EndReason

Code = din.DCEVSEStatusCode


def said(code: Code) -> din.DCEVSEStatus:
    return din.DCEVSEStatus(
        notification_max_delay=0, evse_notification=din.EVSENotification.None_, evse_status_code=code
    )


def test_a_station_that_is_not_ready_yet_is_waited_for_and_under_power_it_ends_the_charge() -> None:
    leave_on_end(said(Code.EVSE_NotReady))
    assert wants_to_end(said(Code.EVSE_NotReady)) is None
    end = wants_to_end(said(Code.EVSE_NotReady), under_power=True)
    assert end is not None
    assert (end.reason, end.detail) == (EndReason.STOPPED_BY_STATION, Code.EVSE_NotReady.value)


@pytest.mark.parametrize("code", [Code.EVSE_Shutdown, Code.EVSE_UtilityInterruptEvent])
def test_a_station_that_shuts_down_is_left_at_any_time(code: Code) -> None:
    with pytest.raises(Leave) as left:
        leave_on_end(said(code))
    assert left.value.reason is EndReason.STOPPED_BY_STATION
