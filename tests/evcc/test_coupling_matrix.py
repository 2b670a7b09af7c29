"""The vehicle under a pantograph and over a pad: every await point against every response of its families,
every FAILED code, and silence.

Whatever does not belong ends the session with the vehicle off the cable, its coil stopped and its
drive as the device demands.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc.iso20.exchange import RESPONSES
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.session.actions import EndReason
from iso15118.testing import Pair
from tests.pair.acdp_rig import pantograph_pair
from tests.pair.wpt_rig import pad_pair

SMALL = {"capacity_wh": 2e3, "soc": 40.0, "target_soc": 41.0}
FAMILIES = ("acdp", "wpt")
COMMON = ("SessionSetupRes", "ScheduleExchangeRes", "PowerDeliveryRes", "SessionStopRes")
BESIDE = "ACDPSystemStatusRes"


def pair_of(family: str, **options: Any) -> Pair:
    make = pantograph_pair if family == "acdp" else pad_pair
    return make(battery=dict(SMALL), **options)


@cache
def ordinary(family: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The states that the vehicle passes, and one response of every kind."""
    samples: dict[str, Any] = {}

    def keep(sender: str, message: object, now: float) -> None:
        if sender == "secc":
            samples.setdefault(type(message).__name__, message)

    pair = pair_of(family, on_message=keep)
    pair.run()
    awaited = {name for _, name in RESPONSES.values()}
    states = tuple(dict.fromkeys(state for state in pair.evcc.states if state in awaited))
    return states, samples


CELLS = [(family, state) for family in FAMILIES for state in ordinary(family)[0]]


def answered_by(family: str, state: str, other: Any) -> tuple[Pair, bool]:
    """The session in which the first answer in ``state`` is this one; and whether it is of
    the kind that is awaited."""
    seen: list[bool] = []
    pair: Pair

    def instead(sender: str, message: object, now: float) -> bool:
        if sender != "secc" or pair.evcc.state != state or seen or type(message).__name__ == BESIDE:
            return True
        seen.append(type(message) is type(other))
        if other is not None:
            header = replace(other.header, session_id=pair.secc.session_id)
            beside = type(other).__name__ == BESIDE
            pair.to_evcc.send(replace(other, header=header), now, beside=beside)
        return False

    pair = pair_of(family, on_message=instead)
    pair.run(max_s=4000.0, until=lambda: pair.now > 600.0 or (pair.evcc.ended is not None))
    assert seen
    return pair, seen[0]


def off(pair: Pair) -> None:
    """The vehicle has ended, and its side is safe."""
    assert pair.evcc.ended is not None
    assert pair.evcc.error is None
    assert not pair.evcc.energized
    assert pair.evcc.deadline is None


@pytest.mark.parametrize(("family", "state"), CELLS)
def test_only_the_awaited_response_is_taken(family: str, state: str) -> None:
    samples = ordinary(family)[1]
    of_family = [name for name in samples if name.startswith(("ACDP", "DC", "WPT"))]
    for name in (*of_family, *COMMON):
        pair, awaited = answered_by(family, state, samples[name])
        if awaited or name == BESIDE:  # the latter has a stream to itself
            continue
        off(pair)
        assert pair.evcc.ended is not None
        assert pair.evcc.ended.reason is EndReason.SEQUENCE_ERROR, (state, name, pair.evcc.ended)


@pytest.mark.parametrize(("family", "state"), CELLS)
def test_a_refusal_and_silence_end_every_state(family: str, state: str) -> None:
    samples = ordinary(family)[1]
    response = next(kind for kind, name in RESPONSES.values() if name == state)
    failed = replace(samples[response.__name__], response_code=ResponseCode.FAILED_AssociationError)
    pair, awaited = answered_by(family, state, failed)
    assert awaited
    off(pair)
    assert pair.evcc.ended is not None
    assert pair.evcc.ended.reason is EndReason.REFUSED
    pair, _ = answered_by(family, state, None)
    off(pair)
    # A station that has said goodbye closes the connection, though its answer never came.
    silent = EndReason.PEER_VANISHED if state == "SessionStop" else EndReason.TIMEOUT
    assert pair.evcc.ended.reason is silent  # type: ignore[union-attr]
