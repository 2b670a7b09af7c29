"""The header of a vehicle's requests in ISO 15118-20, which is made once a second: its time stamp is that of
the moment all the same.

A station may reckon with it: times of a schedule count from there.
"""

from __future__ import annotations

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.iso20.exchange import header
from iso15118.messages.values import TimeStampUnit
from tests.evcc.station import SESSION_ID, VEHICLE, battery

EPOCH = 1_790_000_000


@pytest.mark.parametrize(
    ("unit", "ticks"), [(TimeStampUnit.SECONDS, 1), (TimeStampUnit.MICROSECONDS, 1_000_000)], ids=str
)
def test_the_stamp_of_a_header_is_that_of_its_moment(unit: TimeStampUnit, ticks: int) -> None:
    talk = EvccSession(EvccConfig(time_stamp_unit=unit), VEHICLE, battery(), epoch=float(EPOCH))._talk
    for now in (100.25, 100.75, 101.0, 101.25, 102.0, 102.5, 100.5):
        talk.now = now
        stamp = header(talk).time_stamp
        assert stamp == int((EPOCH + now) * ticks)


def test_the_id_of_the_session_is_that_of_its_moment() -> None:
    talk = EvccSession(EvccConfig(), VEHICLE, battery(), epoch=float(EPOCH))._talk
    talk.now = 100.25
    assert header(talk).session_id == bytes(8)
    talk.session_id = SESSION_ID
    assert header(talk).session_id == SESSION_ID
